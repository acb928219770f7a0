-- Gives values their keys back, or removes those that nobody can read. Only while no claim of the queue is there:
-- under one, values lie without their keys rightly. Gives -1 for a claim, or how many were removed.
-- KEYS: the queue's keys and values, the table of claims
-- ARGV: the queue's name, then field and score ('' for removal) of each
if redis.call('HLEN', KEYS[3]) > 100 then return -1 end
for _, entry in ipairs(redis.call('HVALS', KEYS[3])) do
  if string.sub(entry, -#ARGV[1] - 1) == '|' .. ARGV[1] then return -1 end
end
local removed = 0
for at = 2, #ARGV, 2 do
  if not redis.call('ZSCORE', KEYS[1], ARGV[at]) then
    if ARGV[at + 1] == '' then
      removed = removed + redis.call('HDEL', KEYS[2], ARGV[at])
    elseif redis.call('HEXISTS', KEYS[2], ARGV[at]) == 1 then
      redis.call('ZADD', KEYS[1], ARGV[at + 1], ARGV[at])
    end
  end
end
return removed
