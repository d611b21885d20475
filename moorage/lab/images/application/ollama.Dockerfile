# Plays Ollama: no curl and no wget, root, its models on a volume, its program.
ARG BASE
FROM ${BASE}
RUN rm -f /bin/busybox /usr/bin/busybox \
 && mkdir /root/.ollama \
 && printf '#!/bin/sh\n[ "$1" = serve ] && exec python3 -m lab_application\nexec python3 -m lab_application.ollama "$@"\n' \
      > /usr/local/bin/ollama \
 && chmod 0755 /usr/local/bin/ollama
COPY lab_application /opt/lab/lab_application
ARG VERSION
ENV LAB_SERVICE=ollama LAB_VERSION=${VERSION} \
    PYTHONPATH=/opt/lab PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
EXPOSE 11434
ENTRYPOINT ["/usr/local/bin/ollama"]
CMD ["serve"]
