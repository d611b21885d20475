-- For the ways in which memories are read: by agent and user, the important and the recent first.

create index if not exists agent_memories_recall
  on agent_memories (agent_id, user_id, memory_type, importance desc, last_accessed_at desc);
create index if not exists agent_memories_expiry on agent_memories (expires_at) where expires_at is not null;
create index if not exists events_by_type on events (event_type, created_at desc);
create index if not exists hypotheses_open on hypotheses (user_id, agent_id, confidence desc) where status = 'open';
create index if not exists learning_progress_latest on learning_progress (user_id, metric, measured_at desc);
create index if not exists biometric_events_by_user on biometric_events (user_id, metric, time desc);
create index if not exists neuros_checkpoints_latest on neuros_checkpoints (thread_id, checkpoint_ns, created_at desc);
