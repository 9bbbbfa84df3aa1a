"""The memory's scripts: what happens to several keys at once happens in one of these, on the server.

Each takes the prefix of all keys as its only key, and derives from it the keys that memory.py describes; that works on
one server (with replicas), not on a cluster. Times are those of the server's clock. What a script reads is bounded by
its arguments. A reply begins with "ok", or with the word for a refusal (memory.REFUSALS).
"""

import hashlib


class Script:
    """A script, known to the server by its hash once it has seen the text."""

    def __init__(self, body: str, flags: str = "") -> None:
        """Put the header before the body.

        Args:
            body: Lua that returns the reply.
            flags: what the server may assume. Without any, it refuses the script while its memory is full.
        """
        self.text = f"#!lua{flags and f' flags={flags}'}\n{HEADER}{body}"
        self.hash = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


HEADER = """
local prefix = KEYS[1]
local function threads_of(owner) return prefix .. 'threads/' .. owner end
local function thread_of(owner, id) return prefix .. 'thread/' .. owner .. '/' .. id end
local function turn_of(owner, turn) return prefix .. 'turn/' .. owner .. '/' .. turn end
local function messages_of(number) return prefix .. 'messages/' .. number end
local used, deleted = prefix .. 'used', prefix .. 'deleted'
local revoked, revoked_until = prefix .. 'revoked', prefix .. 'revoked_until'

local time = redis.call('TIME')
local seconds = tonumber(time[1])
local now = string.format('%d%06d', time[1], time[2])

local function make(owner, id, created, updated)
  local number = redis.call('INCR', prefix .. 'serial')
  redis.call('HSET', thread_of(owner, id), 'number', number, 'created_at', created, 'updated_at', updated)
  redis.call('ZADD', threads_of(owner), created, id)
  return number
end

local function touch(owner, id)
  redis.call('HSET', thread_of(owner, id), 'updated_at', now)
  redis.call('ZADD', used, seconds, owner .. '/' .. id)
end

local function remove(owner, id, number)
  redis.call('UNLINK', thread_of(owner, id))
  redis.call('ZREM', threads_of(owner), id)
  redis.call('ZREM', used, owner .. '/' .. id)
  redis.call('RPUSH', deleted, owner .. '/' .. number)
end

-- The number of a message within its thread, 0 where there is no message.
local function number_in(entry)
  return entry and tonumber(string.match(entry[1], '%d+')) or 0
end

local function newest(log)
  return redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
end

-- Where a thread stands among those of its owner.
local function place_of(owner, id)
  return redis.call('ZSCORE', threads_of(owner), id)
end

local function describe(owner, ids)
  local found = {'ok'}
  for _, id in ipairs(ids) do
    table.insert(found, {id, unpack(redis.call('HMGET', thread_of(owner, id), 'title', 'created_at', 'updated_at'))})
  end
  return found
end

local function message(number, at)
  return redis.call('XRANGE', messages_of(number), at, at, 'COUNT', 1)[1]
end

-- The turn that a key names, unless its thread is deleted.
local function find(owner, turn)
  local id, number, question, answer =
    unpack(redis.call('HMGET', turn_of(owner, turn), 'thread', 'number', 'question', 'answer'))
  if id and redis.call('HGET', thread_of(owner, id), 'number') == number then
    return id, number, question, answer
  end
end
"""

BEGIN = Script("""
local owner, id, turn, question, run, lease, create, window = unpack(ARGV)
local thread = thread_of(owner, id)
local number, holder, held_until = unpack(redis.call('HMGET', thread, 'number', 'run', 'run_until'))
if not number and create == '0' then return {'not found'} end

local asked_in, asked_number, asked, answered = find(owner, turn)
if asked_in and (asked_in ~= id or message(asked_number, asked)[2][6] ~= question) then return {'key reused'} end
if holder and holder ~= run and tonumber(held_until) > tonumber(now) then return {'busy'} end

number = number or make(owner, id, now, now)
touch(owner, id)
redis.call('HSET', thread, 'run', run, 'run_until', string.format('%.0f', tonumber(now) + tonumber(lease)))
local log = messages_of(number)
local earlier = redis.call('XREVRANGE', log, '+', '-', 'COUNT', window)
if asked_in then return {'ok', earlier, answered and message(number, answered)} end

local place = number_in(earlier[1]) + 1
redis.call('XADD', log, place .. '-0', 'turn', turn, 'role', 'user', 'content', question, 'at', now)
redis.call('UNLINK', turn_of(owner, turn))
redis.call('HSET', turn_of(owner, turn), 'thread', id, 'number', number, 'question', place .. '-0')
return {'ok', earlier, false}
""")

FINISH = Script("""
local owner, id, turn, run = unpack(ARGV, 1, 4)
local thread = thread_of(owner, id)
local number, holder = unpack(redis.call('HMGET', thread, 'number', 'run'))
local _, asked_number, _, answered = find(owner, turn)
if answered then return {'ok', message(asked_number, answered)} end
if not number then return {'not found'} end
if holder ~= run then return {'busy'} end

local log = messages_of(number)
local place = number_in(newest(log))
for n = 5, #ARGV, 4 do
  local role, content, data, usage = unpack(ARGV, n, n + 3)
  place = place + 1
  redis.call('XADD', log, place .. '-0', 'turn', turn, 'role', role, 'content', content,
    'data', data, 'usage', usage, 'at', now)
end
redis.call('HSET', turn_of(owner, turn), 'answer', place .. '-0')
redis.call('HDEL', thread, 'run', 'run_until')
touch(owner, id)
return {'ok', false}
""")

RENEW = Script("""
local owner, id, run, lease = unpack(ARGV)
local thread = thread_of(owner, id)
if redis.call('HGET', thread, 'run') ~= run then return {'busy'} end
redis.call('HSET', thread, 'run_until', string.format('%.0f', tonumber(now) + tonumber(lease)))
return {'ok'}
""")

RELEASE = Script(
    """
local owner, id, run = unpack(ARGV)
local thread = thread_of(owner, id)
if redis.call('HGET', thread, 'run') == run then redis.call('HDEL', thread, 'run', 'run_until') end
return {'ok'}
""",
    "allow-oom",
)

CREATE = Script("""
local owner, id, title = unpack(ARGV)
local number, titled = unpack(redis.call('HMGET', thread_of(owner, id), 'number', 'title'))
if number then return {(titled or nil) == title and 'ok' or 'key reused'} end
make(owner, id, now, now)
touch(owner, id)
if title then redis.call('HSET', thread_of(owner, id), 'title', title) end
return {'ok'}
""")

RENAME = Script("""
local owner, id, title = unpack(ARGV)
local thread = thread_of(owner, id)
if not redis.call('HGET', thread, 'number') then return {'not found'} end
if title then redis.call('HSET', thread, 'title', title) else redis.call('HDEL', thread, 'title') end
redis.call('HSET', thread, 'updated_at', now)
return {'ok'}
""")

DELETE = Script(
    """
local owner, id = unpack(ARGV)
local number = redis.call('HGET', thread_of(owner, id), 'number')
if not number then return {'not found'} end
remove(owner, id, number)
return {'ok'}
""",
    "allow-oom",
)

FORGET = Script(
    """
local days, batch = unpack(ARGV)
local before = string.format('(%.0f', seconds - tonumber(days) * 86400)
local count = 0
for _, place in ipairs(redis.call('ZRANGE', used, '-inf', before, 'BYSCORE', 'LIMIT', 0, batch)) do
  local owner, id = string.match(place, '^([^/]*)/(.*)$')
  local number, held_until = unpack(redis.call('HMGET', thread_of(owner, id), 'number', 'run_until'))
  if not held_until or tonumber(held_until) < tonumber(now) then
    remove(owner, id, number)
    count = count + 1
  end
end
return {'ok', count}
""",
    "allow-oom",
)

REVOKE = Script(
    """
local owner, session, opened_by, expires_at = unpack(ARGV)
local place = owner .. '/' .. session
local before = redis.call('HGET', revoked, place)
if not before or tonumber(before) < tonumber(opened_by) then redis.call('HSET', revoked, place, opened_by) end
redis.call('ZADD', revoked_until, 'GT', expires_at, place)
return {'ok'}
""",
    "allow-oom",
)

REVOKED = Script(
    """
local owner, opened_at = unpack(ARGV)
for n = 3, #ARGV do
  local opened_by = redis.call('HGET', revoked, owner .. '/' .. ARGV[n])
  if opened_by and tonumber(opened_by) >= tonumber(opened_at) then return {'ok', 1} end
end
return {'ok', 0}
""",
    "no-writes",
)

FORGET_REVOCATIONS = Script(
    """
local expired = redis.call('ZRANGE', revoked_until, '-inf', '(' .. now, 'BYSCORE', 'LIMIT', 0, ARGV[1])
for _, place in ipairs(expired) do
  redis.call('HDEL', revoked, place)
  redis.call('ZREM', revoked_until, place)
end
return {'ok', #expired}
""",
    "allow-oom",
)

REVOCATIONS = Script(
    """
local start, count = unpack(ARGV)
local rows = {'ok'}
local found = redis.call('ZRANGE', revoked_until, '-inf', '+inf', 'BYSCORE', 'WITHSCORES', 'LIMIT', start, count)
for n = 1, #found, 2 do
  local owner, session = string.match(found[n], '^([^/]*)/(.*)$')
  local expires_at = string.format('%.0f', found[n + 1])
  table.insert(rows, {owner, session, redis.call('HGET', revoked, found[n]), expires_at})
end
return rows
""",
    "no-writes",
)

CLEAR = Script(
    """
local most = tonumber(ARGV[1])
local first = redis.call('LINDEX', deleted, 0)
if not first then return {'ok', 0} end
local owner, number = string.match(first, '^([^/]*)/(.*)$')
local log = messages_of(number)
local entries = redis.call('XRANGE', log, '-', '+', 'COUNT', most)
for _, entry in ipairs(entries) do
  local turn = turn_of(owner, entry[2][2])
  if redis.call('HGET', turn, 'number') == number then redis.call('UNLINK', turn) end
end
if #entries == most then
  redis.call('XTRIM', log, 'MINID', string.match(entries[most][1], '%d+') + 1 .. '-0')
else
  redis.call('UNLINK', log)
  redis.call('LPOP', deleted)
end
return {'ok', 1}
""",
    "allow-oom",
)

THREADS = Script(
    """
local owner, limit, before = unpack(ARGV)
local newest = '+inf'
if before then
  local place = place_of(owner, before)
  if not place then return {'ok'} end
  newest = '(' .. place
end
return describe(owner, redis.call('ZRANGE', threads_of(owner), newest, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, limit))
""",
    "no-writes",
)

MESSAGES = Script(
    """
local owner, id, count, newest = unpack(ARGV)
local number = redis.call('HGET', thread_of(owner, id), 'number')
if not number then return {'not found'} end
return {'ok', redis.call('XREVRANGE', messages_of(number), newest, '-', 'COUNT', count)}
""",
    "no-writes",
)

# Owners, each once: at the oldest of its threads. It goes through all threads by the second in which they were used;
# `skip` says how many of the second `from` have been seen.
OWNERS = Script(
    """
local from, skip, limit = unpack(ARGV)
local owners = {}
local found = redis.call('ZRANGE', used, from, '+inf', 'BYSCORE', 'WITHSCORES', 'LIMIT', skip, limit)
for n = 1, #found, 2 do
  local owner, id = string.match(found[n], '^([^/]*)/(.*)$')
  local oldest = redis.call('ZRANGE', threads_of(owner), '-inf', '+inf', 'BYSCORE', 'LIMIT', 0, 1)[1]
  if oldest == id then table.insert(owners, owner) end
  if found[n + 1] == from then skip = skip + 1 else from, skip = found[n + 1], 1 end
end
return {'ok', owners, from, skip, #found / 2}
""",
    "no-writes",
)

THREADS_AFTER = Script(
    """
local owner, limit, after = unpack(ARGV)
local oldest = '-inf'
if after then
  local place = place_of(owner, after)
  if not place then return {'ok'} end
  oldest = '(' .. place
end
return describe(owner, redis.call('ZRANGE', threads_of(owner), oldest, '+inf', 'BYSCORE', 'LIMIT', 0, limit))
""",
    "no-writes",
)

MESSAGES_AFTER = Script(
    """
local owner, id, count, oldest = unpack(ARGV)
local number = redis.call('HGET', thread_of(owner, id), 'number')
if not number then return {'ok', {}} end
return {'ok', redis.call('XRANGE', messages_of(number), oldest, '+', 'COUNT', count)}
""",
    "no-writes",
)

RESTORE = Script("""
local owner, id, title, created, updated, used_at = unpack(ARGV, 1, 6)
local thread = thread_of(owner, id)
local number = redis.call('HGET', thread, 'number')
for n = 7, #ARGV, 7 do
  local asked_in = find(owner, ARGV[n + 1])
  if asked_in and asked_in ~= id then return {'key reused'} end
end

if not number then
  number = make(owner, id, created, updated)
  if title ~= '' then redis.call('HSET', thread, 'title', cjson.decode(title)) end
end
redis.call('ZADD', used, 'GT', used_at, owner .. '/' .. id)
local log = messages_of(number)
local there = number_in(newest(log))
for n = 7, #ARGV, 7 do
  local place, turn, role, content, data, usage, at = unpack(ARGV, n, n + 6)
  if tonumber(place) > there then
    redis.call('XADD', log, place .. '-0', 'turn', turn, 'role', role, 'content', content,
      'data', data, 'usage', usage, 'at', at)
    local key = turn_of(owner, turn)
    if role == 'user' then
      redis.call('UNLINK', key)
      redis.call('HSET', key, 'thread', id, 'number', number, 'question', place .. '-0')
    else
      redis.call('HSET', key, 'answer', place .. '-0')
    end
  end
end
return describe(owner, {id})
""")
