#!lua flags=allow-oom
-- continue.lua: let a shard's ledger go on behind MySQL's cursor, with a marker entry that begins the epoch.
--
-- A Redis whose clock or whose copy is older would give new entries ids that the cursor has passed, and nobody
-- would read them. Only for the leader whose epoch is at the closed gate; it runs on a Redis that is full as well.
--
-- KEYS   1 gate (hash)   2 ledger (stream)
-- ARGV   1 epoch   2 the cursor of MySQL   3 the id of the marker where there is no ledger yet   4 now, ms
-- Reply  the id of the marker, or "stale"
local gate, ledger = KEYS[1], KEYS[2]
local epoch, cursor, first_id, now = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local at_gate = redis.call("HMGET", gate, "epoch", "state")
if at_gate[1] ~= epoch or at_gate[2] ~= "closed" then return "stale" end

local function parts(id)
  local ms, seq = string.match(id, "^(%d+)-(%d+)$")
  return tonumber(ms), tonumber(seq)
end

local id = "*"
if redis.call("EXISTS", ledger) == 0 then
  id = first_id
else
  local info = redis.call("XINFO", "STREAM", ledger)
  for i = 1, #info, 2 do
    if info[i] == "last-generated-id" then
      local last_ms, last_seq = parts(info[i + 1])
      local ms, seq = parts(cursor)
      if last_ms < ms or (last_ms == ms and last_seq < seq) then redis.call("XSETID", ledger, cursor) end
    end
  end
end
-- By now this Redis holds what MySQL does. If nobody comes to open the gate, the next recovery need not start anew.
redis.call("HSET", gate, "restored", epoch)
return redis.call("XADD", ledger, id, "kind", "epoch", "epoch", epoch, "at", now)
