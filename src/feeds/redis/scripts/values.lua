-- The values of `keys` in a hash, as many from the front as fit `most` bytes, at least one. Of a value longer than
-- `longest` only its beginning is given, and its index in `long`: nobody wants 10 MB of it in memory twice.
--
-- To ask for every length first took as long as all the rest of a script. So values are read a few at once, until one
-- of them is long: those behind it are asked for their lengths, because long ones come in company.
local function values_of(hash, keys, longest, most)
  local values, long, bytes, at, group = {}, {}, 0, 1, 2
  while at <= #keys do
    local to, found = math.min(at + group - 1, #keys), nil
    if group > 1 then
      found = redis.call('HMGET', hash, unpack(keys, at, to))
      group = math.min(group * 2, 16)
    else
      local length = redis.call('HSTRLEN', hash, keys[at])
      if at > 1 and bytes + length > most then return at - 1, values, long end
      if length <= 16777216 then
        found = {redis.call('HGET', hash, keys[at])}
      else
        -- Even to look at it, it would be copied whole.
        found, bytes, long[#long + 1] = {''}, bytes + length, at
      end
    end
    for index = 1, to - at + 1 do
      local value = found[index]
      if value then
        local here = at + index - 1
        bytes = bytes + #value
        if here > 1 and bytes > most then return here - 1, values, long end
        if #value > longest then
          long[#long + 1], group = here, 1
          value = string.sub(value, 1, 4096)
        end
      end
      values[at + index - 1] = value
    end
    at = to + 1
  end
  return #keys, values, long
end
