# Plays Kong: its user, entrypoint and command, which also asks a running one for its health.
ARG BASE
FROM ${BASE}
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends python3-yaml \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home kong
COPY lab_application /opt/lab/lab_application
COPY kong.sh /usr/local/bin/kong
RUN printf '#!/bin/sh\nexec "$@"\n' > /docker-entrypoint.sh && chmod 0755 /docker-entrypoint.sh /usr/local/bin/kong
ARG VERSION
ENV LAB_SERVICE=kong LAB_VERSION=${VERSION} \
    PYTHONPATH=/opt/lab PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER kong
EXPOSE 8000 8001
STOPSIGNAL SIGQUIT
ENTRYPOINT ["/docker-entrypoint.sh"]
CMD ["kong", "docker-start"]
