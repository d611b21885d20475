create table if not exists samples (
  time timestamptz not null,
  source text not null,
  value double precision not null
);
select create_hypertable('samples', 'time', if_not_exists => true);
create index if not exists samples_by_source on samples (source, time desc);
