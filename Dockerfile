# One image for every part: the command says which (serve, api, worker, dispatcher, clock, migrate).
FROM python:3.11-slim-bookworm AS build
WORKDIR /build
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY src src
COPY templates templates
COPY migrations migrations
RUN python -m venv /opt/journeys \
 && /opt/journeys/bin/pip install --no-cache-dir -c requirements.lock '.[kafka,postgres]'

FROM python:3.11-slim-bookworm
RUN useradd --system --create-home --home-dir /var/lib/journeys journeys
COPY --from=build /opt/journeys /opt/journeys
ENV PATH=/opt/journeys/bin:$PATH PYTHONUNBUFFERED=1
USER journeys
WORKDIR /var/lib/journeys
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["journeys"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
