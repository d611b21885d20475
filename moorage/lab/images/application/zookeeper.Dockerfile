# Plays ZooKeeper's health: its user and folders, its zkServer.sh.
ARG BASE
FROM ${BASE}
RUN useradd --uid 1000 --create-home zookeeper \
 && install -d -o zookeeper -g zookeeper /data /datalog \
 && ln -s /bin/busybox /usr/local/bin/nc \
 && printf '#!/bin/sh\n[ "$1" = status ] || exit 2\necho srvr | nc -w 3 127.0.0.1 2181 | grep Mode\n' \
      > /usr/local/bin/zkServer.sh \
 && chmod 0755 /usr/local/bin/zkServer.sh
COPY lab_application /opt/lab/lab_application
ARG VERSION
ENV LAB_SERVICE=zookeeper LAB_VERSION=${VERSION} \
    PYTHONPATH=/opt/lab PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
VOLUME ["/data", "/datalog"]
USER zookeeper
EXPOSE 2181 8080
CMD ["python3", "-m", "lab_application"]
