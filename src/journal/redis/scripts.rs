//! The scripts: every change of a stream is one of them, and so are the looks that must see one moment.
//!
//! All of them name their keys in `KEYS` and touch at most about 1,000 elements.

use std::sync::LazyLock;

use redis::Script;

/// Most ids that one write deletes.
pub(super) const MOST_DELETED: usize = 1000;
/// Most entries that one look lists.
pub(super) const MOST_LISTED: usize = 1000;
/// A look that has seen this many bytes of blocks stops: reading them takes Redis's time though they are not sent.
pub(super) const MOST_SEEN: usize = 2 << 20;

/// Writes, if the stream is still ours and the fence holds.
///
/// Types are looked at first, and the write that a full Redis refuses stands first: nothing is ever half done. Where
/// nothing is added, deleting stands first, so that a full Redis can be emptied.
///
/// KEYS: about, blocks, state, owner [, lease, table].
/// ARGV: token, lease in ms, state or empty, entry id or empty, entry, fence's token, entry of the table, its value, the
/// number of the write that this one follows, ids to delete…
///
/// A write that was given up on may be executed late, when Redis wakes up and reads what an old connection sent. It
/// follows a write that is then no longer the last one.
pub(super) static WRITE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local function is(key, wanted)
    local found = redis.call('TYPE', key).ok
    return found == wanted or found == 'none'
end
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return 'lost' end
if not (is(KEYS[2], 'stream') and is(KEYS[3], 'string') and is(KEYS[4], 'string')) then return 'type' end
local before = redis.call('GETRANGE', KEYS[3], 1, 8)
if #before < 8 then before = string.rep('\0', 8) end
if before ~= ARGV[9] then return 'stale' end
if KEYS[6] then
    if not (is(KEYS[5], 'string') and is(KEYS[6], 'hash')) then return 'type' end
    if redis.call('GET', KEYS[5]) ~= ARGV[6] then return 'fenced' end
end
local function delete()
    if #ARGV > 9 then redis.call('XDEL', KEYS[2], unpack(ARGV, 10)) end
end
if ARGV[4] ~= '' then
    redis.call('XADD', KEYS[2], ARGV[4], 'b', ARGV[5])
    delete()
else
    delete()
end
if ARGV[3] ~= '' then redis.call('SET', KEYS[3], ARGV[3]) end
redis.call('SET', KEYS[4], ARGV[1], 'PX', ARGV[2])
if KEYS[6] then redis.call('HSET', KEYS[6], ARGV[7], ARGV[8]) end
return 'ok'
",
    )
});

/// Looks at the holder of a stream that should be ours, and renews its lease.
///
/// KEYS: about, owner, state. ARGV: token, lease in ms, bytes of the state's head.
/// Answers `kept` and the head, or `gone`, or `other` and the incarnation.
pub(super) static KEEP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder == ARGV[1] then
    redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
    return {'kept', redis.call('GETRANGE', KEYS[3], 0, ARGV[3] - 1)}
end
if not holder then return {'gone', ''} end
return {'other', redis.call('HGET', KEYS[1], 'born') or ''}
",
    )
});

/// Takes a stream that is free or a dead predecessor's: an agent's id is held by one process at a time.
///
/// KEYS: about, owner, list, state, blocks. ARGV: token, agent id, lease in ms, speaker, a new incarnation, stream's
/// name, `own` (only one that this agent had last) or `free`.
/// Answers `held`; or `taken`, the incarnation and the state.
pub(super) static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local holder = redis.call('HGET', KEYS[1], 'holder')
local mine = holder and string.sub(holder, 1, 32) == ARGV[2]
if ARGV[7] == 'own' and not mine then return {'held'} end
local lease = redis.call('GET', KEYS[2])
if lease and string.sub(lease, 1, 32) ~= ARGV[2] then return {'held'} end
local born = redis.call('HGET', KEYS[1], 'born')
if not born or redis.call('HEXISTS', KEYS[1], 'removed') == 1 then
    born = ARGV[5]
    redis.call('HDEL', KEYS[1], 'removed')
    redis.call('PERSIST', KEYS[1])
end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'born', born, 'speaker', ARGV[4])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
redis.call('HSET', KEYS[3], ARGV[6], '')
return {'taken', born, redis.call('GET', KEYS[4]) or ''}
",
    )
});

/// Takes over a stream whose owner is gone for long enough. How long is measured from the first look that found it gone,
/// by the clock of Redis: no agent's clock is asked. A lease of this agent is one of an earlier process of it: whoever
/// calls leaves out the streams that it has.
///
/// KEYS: about, owner, list, state. ARGV: token, agent id, lease in ms, stream's name, after how many ms.
/// Answers `alive`, `waits`, or `taken`, the incarnation, the state and the speaker.
pub(super) static ADOPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local lease = redis.call('GET', KEYS[2])
local since = redis.call('HGET', KEYS[3], ARGV[4])
local dead = lease and string.sub(lease, 1, 32) == ARGV[2]
if lease and not dead then
    if since ~= '' then redis.call('HSET', KEYS[3], ARGV[4], '') end
    return {'alive'}
end
local holder = redis.call('HGET', KEYS[1], 'holder')
if not holder or redis.call('HEXISTS', KEYS[1], 'removed') == 1 then
    redis.call('HDEL', KEYS[3], ARGV[4])
    return {'alive'}
end
if not dead then
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local before = tonumber(since or '')
    if not before then
        redis.call('HSET', KEYS[3], ARGV[4], string.format('%.0f', now))
        before = now
    end
    if now - before < tonumber(ARGV[5]) then return {'waits'} end
end
redis.call('HSET', KEYS[1], 'holder', ARGV[1])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
redis.call('HSET', KEYS[3], ARGV[4], '')
return {'taken', redis.call('HGET', KEYS[1], 'born') or '', redis.call('GET', KEYS[4]) or '',
    redis.call('HGET', KEYS[1], 'speaker') or ''}
",
    )
});

/// Removes a drained stream. What is left says for a while that it was taken over, so that its agent, should it wake,
/// does not take it for lost.
///
/// KEYS: about, owner, list, state, blocks. ARGV: token, stream's name, how long in ms.
pub(super) static REMOVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return 'lost' end
if redis.call('XLEN', KEYS[5]) > 1000 then return 'full' end
redis.call('DEL', KEYS[2], KEYS[4], KEYS[5])
redis.call('HSET', KEYS[1], 'removed', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('HDEL', KEYS[3], ARGV[2])
return 'ok'
",
    )
});

/// Gives the lease back, so that another process need not wait for it to expire.
///
/// KEYS: owner. ARGV: token.
pub(super) static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new("if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 'ok'")
});

/// Lists entries without their items.
///
/// KEYS: blocks. ARGV: first id, most entries, most bytes to look at.
/// Answers ids, fronts of the values (up to the first byte of the items) and the values' lengths, in turn.
pub(super) static LIST: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local out, seen, first = {}, 0, ARGV[1]
while #out < 3 * ARGV[2] and seen < tonumber(ARGV[3]) do
    local entries = redis.call('XRANGE', KEYS[1], first, '+', 'COUNT', 16)
    for _, entry in ipairs(entries) do
        local value = ''
        for at = 1, #entry[2], 2 do
            if entry[2][at] == 'b' then value = entry[2][at + 1] end
        end
        local a, b, c, d = string.byte(value, 5, 8)
        local front = 9
        if d then front = math.min(9 + a + 256 * b + 65536 * c + 16777216 * d, 65536) end
        out[#out + 1] = entry[1]
        out[#out + 1] = string.sub(value, 1, front)
        out[#out + 1] = #value
        seen = seen + #value + 64
        local time, part = string.match(entry[1], '^(%d+)-(%d+)$')
        first = time .. '-' .. string.format('%.0f', part + 1)
    end
    if #entries < 16 then break end
end
return out
",
    )
});
