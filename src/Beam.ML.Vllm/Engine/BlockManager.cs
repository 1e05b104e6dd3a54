namespace Beam.ML.Vllm.Engine;

/// <summary>
/// Owns the blocks of the KV cache: which are free, how many sequences hold each, and which hold a known prefix. A free block keeps its
/// contents, and can be found by its hash, until it is given out again; those that nobody can find go first, then the one that was freed
/// longest ago.
/// </summary>
internal sealed class BlockManager
{
    private readonly Block[] _blocks;
    private readonly Dictionary<BlockHash, int> _cached = [];
    private readonly bool _enablePrefixCaching;

    public BlockManager(int blocks, int blockSize, bool enablePrefixCaching)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(blocks, 1);
        BlockSize = blockSize;
        _enablePrefixCaching = enablePrefixCaching;

        // The last entry is the head of the list of free blocks, which is a ring.
        _blocks = new Block[blocks + 1];
        _blocks[blocks] = new Block { Next = blocks, Previous = blocks };
        for (var i = blocks - 1; i >= 0; i--) PushFree(i);
    }

    public int BlockSize { get; }

    public int TotalBlocks => _blocks.Length - 1;

    public int FreeBlocks { get; private set; }

    /// <summary>Tokens of admitted sequences looked up in, and found in, the prefix cache; a sequence counts once, however often it is preempted.</summary>
    public long PrefixQueries { get; private set; }

    public long PrefixHits { get; private set; }

    private int Head => _blocks.Length - 1;

    private int Needed(Sequence sequence, int tokens) => ((tokens + BlockSize - 1) / BlockSize) - sequence.BlockTable.Count;

    /// <summary>
    /// Gives a sequence without blocks those that hold its beginning, as far as the cache knows it; at least one token is left to compute,
    /// since only a computed token has logits. Returns the tokens found.
    /// </summary>
    public int AttachPrefix(Sequence sequence)
    {
        if (sequence.BlockTable.Count != 0) throw new InvalidOperationException($"Request {sequence.RequestId} holds blocks already.");
        if (!_enablePrefixCaching || !sequence.ReadsPrefixCache) return 0;
        var blocks = (sequence.Length - 1) / BlockSize;
        for (var i = 0; i < blocks && _cached.TryGetValue(HashOf(sequence, i), out var block); i++)
        {
            if (_blocks[block].References++ == 0) Unlink(block);
            sequence.BlockTable.Add(block);
        }

        return sequence.BlockTable.Count * BlockSize;
    }

    /// <summary>Counts what the prefix cache was to a sequence that has been admitted; one that waits is looked up again and again.</summary>
    public void CountPrefix(Sequence sequence, int found)
    {
        if (!_enablePrefixCaching || !sequence.ReadsPrefixCache) return;
        PrefixQueries += sequence.Length;
        PrefixHits += found;
    }

    /// <summary>Whether there are blocks enough for so many of a sequence's first tokens.</summary>
    public bool CanGrow(Sequence sequence, int tokens) => Needed(sequence, tokens) <= FreeBlocks;

    /// <summary>Makes room for a sequence's first tokens; all or nothing. Returns whether there were blocks enough.</summary>
    public bool TryGrow(Sequence sequence, int tokens)
    {
        var needed = Needed(sequence, tokens);
        if (needed > FreeBlocks) return false;
        for (; needed > 0; needed--)
        {
            var block = _blocks[Head].Next;
            Unlink(block);
            Forget(block);
            _blocks[block].References = 1;
            sequence.BlockTable.Add(block);
        }

        return true;
    }

    /// <summary>Makes the full blocks among a sequence's first tokens known to later sequences. They must be computed by the end of the step.</summary>
    public void Publish(Sequence sequence, int from, int to)
    {
        if (!_enablePrefixCaching) return;
        for (var i = from / BlockSize; i < to / BlockSize; i++)
        {
            ref var block = ref _blocks[sequence.BlockTable[i]];
            var hash = HashOf(sequence, i);
            if (block.Hash is null && _cached.TryAdd(hash, sequence.BlockTable[i])) block.Hash = hash;
        }
    }

    /// <summary>Takes a sequence's blocks back, the last one first: the ends of prefixes are of use to fewer than their beginnings.</summary>
    public void Free(Sequence sequence) => Shrink(sequence, 0);

    /// <summary>Takes back the blocks behind a sequence's first tokens.</summary>
    public void Shrink(Sequence sequence, int tokens)
    {
        for (var extra = -Needed(sequence, tokens); extra > 0; extra--)
        {
            var block = sequence.BlockTable[^1];
            if (_blocks[block].References <= 0) throw new InvalidOperationException($"Block {block} is freed twice.");
            if (--_blocks[block].References == 0) PushFree(block);
            sequence.BlockTable.RemoveAt(sequence.BlockTable.Count - 1);
        }
    }

    /// <summary>For tests: throws if a block is lost, or held and free at once, or counted wrongly, or known for what it does not hold, given all sequences that hold blocks.</summary>
    internal void CheckInvariants(IEnumerable<Sequence> holders)
    {
        var references = new int[TotalBlocks];
        foreach (var sequence in holders)
        {
            foreach (var block in sequence.BlockTable) references[block]++;
            CheckHashes(sequence);
        }

        var free = new bool[TotalBlocks];
        var count = 0;
        for (var i = _blocks[Head].Next; i != Head; i = _blocks[i].Next)
        {
            if (free[i]) throw new InvalidOperationException($"Block {i} is in the free list twice.");
            free[i] = true;
            count++;
        }

        if (count != FreeBlocks) throw new InvalidOperationException($"The free list has {count} blocks, the count says {FreeBlocks}.");
        for (var i = 0; i < TotalBlocks; i++)
        {
            if (references[i] != _blocks[i].References)
                throw new InvalidOperationException($"Block {i} is held {references[i]} times, its count says {_blocks[i].References}.");
            if (free[i] != (references[i] == 0)) throw new InvalidOperationException($"Block {i} is {(free[i] ? "free and held" : "lost")}.");
        }

        foreach (var (hash, block) in _cached)
        {
            if (_blocks[block].Hash != hash) throw new InvalidOperationException($"Block {block} is cached under a hash that is not its own.");
        }
    }

    private void CheckHashes(Sequence sequence)
    {
        var hash = sequence.HashRoot;
        for (var i = 0; i < sequence.BlockTable.Count; i++)
        {
            var isFull = (i + 1) * BlockSize <= sequence.Length;
            if (isFull) hash = BlockHash.Chain(hash, sequence.Tokens.Slice(i * BlockSize, BlockSize));
            var block = sequence.BlockTable[i];
            if (_blocks[block].Hash is { } known && (!isFull || known != hash)) throw new InvalidOperationException($"Block {block} is known for tokens that it does not hold.");
        }
    }

    private BlockHash HashOf(Sequence sequence, int index)
    {
        var inPrompt = sequence.PromptLength / BlockSize;
        if (index < inPrompt) return Chain(sequence, sequence.PromptBlockHashes, 0, index, sequence.HashRoot);
        var root = inPrompt == 0 ? sequence.HashRoot : HashOf(sequence, inPrompt - 1);
        return Chain(sequence, sequence.BlockHashes, inPrompt, index, root);
    }

    /// <summary>The hash of a block, by way of a list that begins with that of block <paramref name="first"/>.</summary>
    private BlockHash Chain(Sequence sequence, List<BlockHash> hashes, int first, int index, BlockHash root)
    {
        for (var i = first + hashes.Count; i <= index; i++)
            hashes.Add(BlockHash.Chain(hashes.Count > 0 ? hashes[^1] : root, sequence.Tokens.Slice(i * BlockSize, BlockSize)));
        return hashes[index - first];
    }

    private void Forget(int block)
    {
        if (_blocks[block].Hash is { } hash) _cached.Remove(hash);
        _blocks[block].Hash = null;
    }

    private void PushFree(int block)
    {
        // What is worth finding goes to the end of the list, and what is not to its beginning.
        var before = _blocks[block].Hash is null ? Head : _blocks[Head].Previous;
        var after = _blocks[before].Next;
        (_blocks[block].Previous, _blocks[block].Next) = (before, after);
        _blocks[before].Next = block;
        _blocks[after].Previous = block;
        FreeBlocks++;
    }

    private void Unlink(int block)
    {
        _blocks[_blocks[block].Previous].Next = _blocks[block].Next;
        _blocks[_blocks[block].Next].Previous = _blocks[block].Previous;
        FreeBlocks--;
    }

    private struct Block
    {
        public int References;
        public int Previous;
        public int Next;
        public BlockHash? Hash;
    }
}
