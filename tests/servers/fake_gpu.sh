#!/bin/bash
# fake_gpu.sh plug COUNT | unplug | break | mend: what a host with GPUs of NVIDIA and their driver looks like.
# The device nodes are /dev/full under other names: a node that a container's control group really lets in or not.
set -euo pipefail
root=/opt/fake-gpu

unplug() {
  for place in /sys/bus/pci/devices /proc/driver; do
    while mountpoint -q "$place"; do umount "$place"; done
  done
  rm -rf "$root" /dev/nvidia* /usr/bin/nvidia-smi /var/run/cdi/nvidia.yaml
}

plug() {
  unplug
  mkdir -p "$root/pci" "$root/driver/nvidia"
  for number in $(seq 0 $(($1 - 1))); do
    mkdir "$root/pci/0000:0$((number + 1)):00.0"
    echo 0x10de > "$root/pci/0000:0$((number + 1)):00.0/vendor"
    echo 0x030200 > "$root/pci/0000:0$((number + 1)):00.0/class"
    mknod --mode 666 "/dev/nvidia$number" c 1 7
  done
  mknod --mode 666 /dev/nvidiactl c 1 7
  echo 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build' > "$root/driver/nvidia/version"
  mount --bind "$root/pci" /sys/bus/pci/devices
  mount --bind "$root/driver" /proc/driver
  write_program
}

# Its forms are those of the real one; it sees the cards whose nodes it can open.
write_program() {
  cat > /usr/bin/nvidia-smi << 'PROGRAM'
#!/bin/sh
# A stand-in for nvidia-smi.
if ! true 2> /dev/null < /dev/nvidiactl; then
  echo "Failed to initialize NVML: Unknown Error"
  exit 255
fi
found=
for number in 0 1 2 3; do
  true 2> /dev/null < "/dev/nvidia$number" || continue
  found=$number
  uuid=GPU-5a1e000$number-1111-2222-3333-444455556666
  case "$*" in
    -L) echo "GPU $number: NVIDIA L4 (UUID: $uuid)" ;;
    *) echo "$number, $uuid, NVIDIA L4, 580.95.05, 23034, [N/A]" ;;
  esac
done
[ -n "$found" ] || { echo "No devices were found"; exit 6; }
PROGRAM
  chmod 0755 /usr/bin/nvidia-smi
}

# As after an update of the driver without a reboot. The program is written over in place: containers have it mounted.
break_driver() {
  printf '%s\n' '#!/bin/sh' 'echo "Failed to initialize NVML: Driver/library version mismatch"' 'exit 18' > /usr/bin/nvidia-smi
}

case $1 in
  plug) plug "$2" ;;
  unplug) unplug ;;
  break) break_driver ;;
  mend) write_program ;;
esac
