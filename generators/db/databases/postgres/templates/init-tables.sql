-- The agent's tables. Runs by itself on an empty volume; every deployment applies it again, which changes nothing
-- that is there. To change a table, add statements that may run twice (alter table ... add column if not exists ...),
-- and keep each transaction to one table: one that holds a table while it waits for another stops agents at work.

set client_min_messages = warning;
set lock_timeout = '10s';
set statement_timeout = '10min';

begin;

create table if not exists threads (
  owner text not null,
  id text not null,
  title text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  used_on date not null default current_date, -- day of the newest message, for the retention
  run text, -- the attempt at a turn that holds the thread, and until when
  run_until timestamptz not null default '-infinity',
  primary key (owner, id)
) with (fillfactor = 80); -- room on the page, so that the updates of a turn leave the indexes alone

create index if not exists threads_by_age on threads (owner, created_at, id);
create index if not exists threads_by_use on threads (used_on);

commit;

create table if not exists messages (
  owner text not null,
  thread_id text not null,
  id bigint generated always as identity,
  turn text not null, -- the idempotency key of the turn
  step bigint not null, -- 0 is the question, what follows it is numbered
  role text not null check (role in ('user', 'assistant', 'tool')),
  content text not null,
  data json, -- the logic's own form, where role and content do not say it all
  usage json, -- what the reply cost
  created_at timestamptz not null default now(),
  primary key (owner, thread_id, id),
  constraint messages_by_turn unique (owner, turn, step),
  foreign key (owner, thread_id) references threads (owner, id) on delete cascade
);

begin;

create table if not exists revocations (
  owner text not null,
  session_id text not null, -- one that was ended, or * for all of the owner's
  opened_by timestamptz not null, -- of those that were opened until then
  expires_at timestamptz not null, -- when they would have ended by themselves
  primary key (owner, session_id)
);

create index if not exists revocations_by_end on revocations (expires_at);

commit;
