#!lua
-- grab.lua: decide a batch of grabs on one sale, and write the winners into the ledger.
--
-- One script, because "is it open", "is one left", "has this user won" and "record the winner" must be one
-- step: between two commands somebody else could take the last unit, and between the decrement and the
-- message a process could die. The ledger entry is written first: Lua has no rollback, and an XADD that
-- failed after the counters had moved would lose units. Losers write nothing, so they cost no fsync.
--
-- KEYS   1 gate (hash)   2 sale (hash)   3 winners (hash)   4 ledger (stream)   5 unrecorded (set)
-- ARGV   1 epoch   2 backlog limit, grants   3 sale id   4.. attempts, two each: user id, key hash or ""
-- Reply  "fenced" (the gate is not open for this epoch), "missing" (the sale is not here, or not whole), or one
--        word per attempt, with number and slot where there is a grant: "granted 17 1", "repeated 17 1",
--        "sold_out", "limit_reached", "key_required", "ended", "paused", "backlog"; and, with when it opens and
--        what time it is here, in milliseconds since the epoch, "not_started 1767225600000 1767225599000"
local gate, sale, winners, ledger, unrecorded = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local epoch, backlog_limit, sale_id = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local FIRST = 4

local at_gate = redis.call("HMGET", gate, "epoch", "state")
if at_gate[1] ~= epoch or at_gate[2] ~= "open" then return "fenced" end
if #ARGV < FIRST then return {} end

local facts = redis.call("HMGET", sale,
  "state", "total", "granted", "returned", "recorded", "limit", "opens", "closes")
if not facts[1] then return "missing" end

-- A sale whose counters cannot be is not whole: it sells nothing, and recovery looks. NaN fails here as well.
local function count(text)
  local value = tonumber(text)
  return value and value % 1 == 0 and value >= 0 and value < 2 ^ 53 and value or nil
end
local state, total, limit = facts[1], count(facts[2]), count(facts[6])
local granted, returned, recorded = count(facts[3]), count(facts[4]), count(facts[5])
local opens, closes = count(facts[7]), count(facts[8])
if not (total and limit and granted and returned and recorded) then return "missing" end
if (facts[7] and not opens) or (facts[8] and not closes) then return "missing" end
-- More recorded than granted: MySQL has grants that this Redis has lost, and would give their numbers away.
if recorded > granted or returned > granted then return "missing" end

-- Redis's clock decides for all: the hosts of the API may be minutes off.
local time = redis.call("TIME")
local now = string.format("%d%03d", time[1], math.floor(time[2] / 1000))
local now_ms = tonumber(now)
local closed = nil
if state == "paused" then closed = "paused"
elseif state ~= "open" or (closes and now_ms >= closes) then closed = "ended"
elseif opens and now_ms < opens then closed = "not_started " .. facts[7] .. " " .. now end

local users = {}
for i = FIRST, #ARGV, 2 do users[#users + 1] = ARGV[i] end
local found = redis.call("HMGET", winners, unpack(users))
local held = {}
for i, user in ipairs(users) do held[user] = found[i] end

-- A user's grants stand by slot, "17:keyhash,,19:keyhash"; an empty slot has been given back.
-- Returns the number and slot of the grant that answers this attempt, or nil and the first free slot.
local function place_of(value, key)
  if not value then return nil, 1 end
  local slot, free = 0, nil
  for part in string.gmatch(value .. ",", "([^,]*),") do
    slot = slot + 1
    local number, key_hash = string.match(part, "^(%d+):?(.*)$")
    if not number then
      free = free or slot
    elseif limit == 1 or key_hash == key then
      return number, slot
    end
  end
  return nil, free or slot + 1
end

local function with_grant(value, slot, grant)
  local parts = {}
  for part in string.gmatch(value .. ",", "([^,]*),") do parts[#parts + 1] = part end
  parts[slot] = grant
  return table.concat(parts, ",")
end

local replies, entries, fields, changed = {}, {}, {}, {}
local first = granted + 1
for i, user in ipairs(users) do
  local key = ARGV[FIRST + 2 * i - 1]
  local number, slot = place_of(held[user], key)
  if number then replies[i] = "repeated " .. number .. " " .. slot
  elseif closed then replies[i] = closed
  elseif limit > 1 and key == "" then replies[i] = "key_required"
  elseif slot > limit then replies[i] = "limit_reached"
  elseif not (granted - recorded < backlog_limit) then replies[i] = "backlog"
  elseif not (granted - returned < total) then replies[i] = "sold_out"
  else
    granted = granted + 1
    number = string.format("%d", granted)
    local grant = key == "" and number or number .. ":" .. key
    held[user] = held[user] and with_grant(held[user], slot, grant) or grant
    changed[#changed + 1] = user
    entries[#entries + 1] = (slot == 1 and key == "") and user or user .. ":" .. slot .. ":" .. key
    replies[i] = "granted " .. number .. " " .. slot
  end
end
if #entries == 0 then return replies end

local granted_now = string.format("%d", granted)
redis.call("XADD", ledger, "*", "kind", "grant", "sale", sale_id, "epoch", epoch, "at", now,
  "first", string.format("%d", first), "users", table.concat(entries, ","),
  "granted", granted_now, "returned", facts[4])
for _, user in ipairs(changed) do
  fields[#fields + 1] = user
  fields[#fields + 1] = held[user]
end
redis.call("HSET", winners, unpack(fields))
redis.call("HSET", sale, "granted", granted_now)
redis.call("SADD", unrecorded, sale_id)
return replies
