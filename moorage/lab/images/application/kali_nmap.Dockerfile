# A network scanner: Debian's nmap; like Kali's, the program itself carries the capabilities that it needs.
ARG BASE
FROM ${BASE}
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends nmap libcap2-bin \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* \
 && setcap cap_net_raw,cap_net_admin+eip /usr/bin/nmap
CMD ["sleep", "infinity"]
