FROM redis:7-alpine AS base
ARG RELEASE=0
RUN --mount=type=secret,id=build_token test "$(cat /run/secrets/build_token)" = not-for-the-image && echo "$RELEASE" > /release
FROM base AS final
COPY --from=shared lib.txt /lib.txt
COPY src/ /src/
CMD ["sleep", "infinity"]
FROM base AS never
RUN false
