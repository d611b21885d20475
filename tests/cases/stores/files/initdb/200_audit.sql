create schema if not exists audit;
create table if not exists audit.entries (
  id uuid primary key default gen_random_uuid(),
  said text not null
);
