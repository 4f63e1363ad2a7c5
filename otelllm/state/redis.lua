-- One call of ours is one run of this. The arithmetic is that of levels.py, the clock the server's.
-- KEYS: of each bucket its counter and its holds. ARGV[1]: what to do, as JSON; buckets and claims in the order of KEYS.
-- A rate's counter is the moment at which it is full again; a slot's and a sum's is what is used; a rolling sum's is a
-- hash: slice of its window -> what was used in it. Holds: "lease:back:moment" by the moment at which they end.
local SLICES, DAY = 60, 86400
local asked = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local wall = asked.wall or (tonumber(time[1]) + tonumber(time[2]) / 1e6)
-- From 2025 on: a double has room for fractions of a microsecond then, and a rate loses nothing by rounding.
local now = asked.now or (tonumber(time[1]) - 1735689600 + tonumber(time[2]) / 1e6)

local function text(number) return string.format('%.17g', number) end

local function slice(bucket, moment) return math.floor(moment * SLICES / bucket.window_s) end

local function keep(key, value, seconds)
  redis.call('SET', key, text(value), 'PX', math.max(math.ceil(seconds * 1000), 1))
end

local function slices(bucket, key)
  local oldest, used, kept = slice(bucket, wall) - SLICES, 0, {}
  local found = redis.call('HGETALL', key)
  for at = 1, #found, 2 do
    local number, amount = tonumber(found[at]), tonumber(found[at + 1])
    if number >= oldest then
      used = used + amount
      kept[#kept + 1] = { number, amount }
    else
      redis.call('HDEL', key, found[at])
    end
  end
  return used, kept
end

local function used_of(bucket, key)
  if bucket.window_s > 0 then return (slices(bucket, key)) end
  local level = tonumber(redis.call('GET', key) or nil)
  if not level then return 0 end
  if bucket.kind == 'rate' then return math.max(level - now, 0) * bucket.per_s end
  return level
end

-- Adds to what is used of a bucket; below 0, gives back what was taken at `moment`.
local function add(bucket, key, amount, moment)
  if bucket.window_s > 0 then
    local field = slice(bucket, amount < 0 and moment or wall)
    if tonumber(redis.call('HINCRBYFLOAT', key, field, text(amount))) < 0 then redis.call('HSET', key, field, 0) end
    redis.call('PEXPIRE', key, math.ceil(bucket.window_s * (1 + 2 / SLICES) * 1000))
  elseif bucket.kind == 'rate' then
    local level = math.max(tonumber(redis.call('GET', key) or nil) or now, now) + amount / bucket.per_s
    keep(key, level, level - now)
  else
    local level = math.max((tonumber(redis.call('GET', key) or nil) or 0) + amount, 0)
    local seconds = math.min(math.max((bucket.ends_at or 1e15) - wall, 0) + DAY, 400 * DAY)
    if level > 0 then keep(key, level, seconds) else redis.call('DEL', key) end
  end
end

-- Gives back what calls held whose process is gone.
local function heal(bucket, key, holds)
  if bucket.kind == 'rate' then return end
  for _, hold in ipairs(redis.call('ZRANGEBYSCORE', holds, '-inf', '(' .. text(now))) do
    local back, moment = string.match(hold, '^[^:]*:([^:]*):([^:]*)$')
    add(bucket, key, -tonumber(back), tonumber(moment))
    redis.call('ZREM', holds, hold)
  end
end

local function hold_name(lease, claim, moment) return lease .. ':' .. text(claim.back) .. ':' .. text(moment) end

-- In how many seconds a claim fits; false where nobody knows, -1 for never.
local function opens_in(bucket, key, claim, used, capacity)
  if claim.amount > bucket.capacity then return -1 end
  local excess = used + claim.amount - capacity
  if bucket.kind == 'rate' then return excess / bucket.per_s end
  if bucket.kind == 'slots' then return false end
  if bucket.window_s == 0 then return math.max((bucket.ends_at or 1e15) - wall, 0) end
  local _, kept = slices(bucket, key)
  table.sort(kept, function(one, other) return one[1] < other[1] end)
  for _, pair in ipairs(kept) do
    excess = excess - pair[2]
    if excess <= 1e-9 then return math.max((pair[1] + SLICES + 1) * bucket.window_s / SLICES - wall, 0) end
  end
  return -1
end

local function acquire()
  local refused, used_after = nil, {}
  for at, claim in ipairs(asked.claims) do
    local bucket, key = claim.bucket, KEYS[2 * at - 1]
    heal(bucket, key, KEYS[2 * at])
    local used = used_of(bucket, key)
    local capacity = math.max(bucket.capacity - claim.leaves, math.min(claim.amount, bucket.capacity))
    local slack = bucket.kind == 'rate' and math.min(0.01, bucket.capacity * 1e-6) or 1e-9
    used_after[at] = used + claim.amount
    if not asked.anyway and used_after[at] > capacity + slack then
      local seconds = opens_in(bucket, key, claim, used, capacity)
      local rank = seconds == -1 and math.huge or seconds or 0
      if not refused or rank > refused.rank then
        refused = { rank = rank, at = at, used = used, opens_in_s = seconds }
      end
    end
  end
  if refused then
    return { refused = refused.at, used = refused.used, opens_in_s = refused.opens_in_s }
  end
  for at, claim in ipairs(asked.claims) do
    add(claim.bucket, KEYS[2 * at - 1], claim.amount)
    if claim.bucket.kind ~= 'rate' then
      redis.call('ZADD', KEYS[2 * at], text(now + asked.ttl_s), hold_name(asked.lease, claim, wall))
      redis.call('PEXPIRE', KEYS[2 * at], math.ceil((asked.ttl_s + DAY) * 1000))
    end
  end
  return { used = used_after, at = text(wall) }
end

local function settle()
  for at, claim in ipairs(asked.claims) do
    local bucket, taken = claim.bucket, claim.amount
    if bucket.kind ~= 'rate' and redis.call('ZREM', KEYS[2 * at], hold_name(claim.lease, claim, claim.at)) == 0 then
      taken = bucket.kind == 'slots' and 0 or claim.kept -- its time was over, and it was given back
    end
    local actual = bucket.kind == 'slots' and 0 or claim.actual
    if actual ~= taken then add(bucket, KEYS[2 * at - 1], actual - taken, claim.at) end
  end
  return {}
end

local function renew()
  for at, claim in ipairs(asked.claims) do
    redis.call('ZADD', KEYS[2 * at], 'XX', text(now + claim.ttl_s), hold_name(claim.lease, claim, claim.at))
  end
  return {}
end

local function correct()
  for at, told in ipairs(asked.claims) do
    local bucket, key = told.bucket, KEYS[2 * at - 1]
    local level = now - told.age_s + (bucket.capacity - told.left) / bucket.per_s
    if level > (tonumber(redis.call('GET', key) or nil) or now) then keep(key, level, level - now) end
  end
  return {}
end

local function read()
  local used = {}
  for at, claim in ipairs(asked.claims) do
    heal(claim.bucket, KEYS[2 * at - 1], KEYS[2 * at])
    used[at] = used_of(claim.bucket, KEYS[2 * at - 1])
  end
  return { used = used }
end

local what = { acquire = acquire, settle = settle, renew = renew, correct = correct, read = read }
return cjson.encode(what[asked.what]())
