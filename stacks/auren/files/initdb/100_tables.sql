-- The six tables. Every statement may run again.

create table if not exists events (
  id          bigint generated always as identity primary key,
  stream_id   text        not null,
  version     integer     not null,
  event_type  text        not null,
  payload     jsonb       not null default '{}',
  created_at  timestamptz not null default now(),
  unique (stream_id, version)
);
comment on table events is 'Event sourcing: what happened, in order within a stream.';

create table if not exists agent_memories (
  id               uuid primary key default gen_random_uuid(),
  agent_id         text        not null,
  user_id          text        not null,
  memory_type      text        not null,
  content          text        not null,
  metadata         jsonb       not null default '{}',
  importance       real        not null default 0.5,
  created_at       timestamptz not null default now(),
  last_accessed_at timestamptz not null default now(),
  expires_at       timestamptz
);
comment on table agent_memories is 'Warm tier: what an agent keeps beyond the hot memories in Redis.';

create table if not exists hypotheses (
  id          uuid primary key default gen_random_uuid(),
  agent_id    text        not null,
  user_id     text        not null,
  statement   text        not null,
  confidence  real        not null check (confidence between 0 and 1),
  status      text        not null default 'open' check (status in ('open', 'confirmed', 'rejected')),
  evidence    jsonb       not null default '[]',
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now()
);
comment on table hypotheses is 'What agents suppose about a user.';

create table if not exists learning_progress (
  user_id     text        not null,
  agent_id    text        not null,
  metric      text        not null,
  value       double precision not null,
  details     jsonb       not null default '{}',
  measured_at timestamptz not null default now(),
  primary key (user_id, agent_id, metric, measured_at)
);
comment on table learning_progress is 'How an agent adapts to a user.';

create table if not exists biometric_events (
  time     timestamptz      not null,
  user_id  text             not null,
  device   text             not null,
  metric   text             not null,
  value    double precision not null,
  payload  jsonb            not null default '{}'
);
comment on table biometric_events is 'Readings of devices, by time.';
select create_hypertable('biometric_events', 'time', if_not_exists => true, migrate_data => true);

create table if not exists neuros_checkpoints (
  thread_id     text        not null,
  checkpoint_ns text        not null default '',
  checkpoint_id text        not null,
  parent_id     text,
  checkpoint    jsonb       not null,
  metadata      jsonb       not null default '{}',
  created_at    timestamptz not null default now(),
  primary key (thread_id, checkpoint_ns, checkpoint_id)
);
comment on table neuros_checkpoints is 'State of LangGraph threads.';
