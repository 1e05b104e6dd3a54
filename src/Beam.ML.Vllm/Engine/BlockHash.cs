using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Beam.ML.Vllm.Engine;

/// <summary>
/// What a full block holds, and all that came before it: SHA-256 of the hash of the block before and of the block's tokens. Equal hashes
/// mean equal tokens from the start, so the cached keys and values may be shared; a hash that can be forged would share them wrongly.
/// </summary>
internal readonly record struct BlockHash(ulong A, ulong B, ulong C, ulong D)
{
    /// <summary>Where the chain of a request begins that shares nothing with those that have another salt.</summary>
    public static BlockHash Salted(BlockHash root, string salt) => Chain(root, MemoryMarshal.Cast<byte, int>(SHA256.HashData(MemoryMarshal.AsBytes(salt.AsSpan()))));

    public static BlockHash Chain(BlockHash parent, ReadOnlySpan<int> tokens)
    {
        const int hashBytes = 32;
        var length = hashBytes + (tokens.Length * sizeof(int));
        var input = length <= 1024 ? stackalloc byte[length] : new byte[length];
        MemoryMarshal.Write(input, parent);
        MemoryMarshal.AsBytes(tokens).CopyTo(input[hashBytes..]);
        Span<byte> hash = stackalloc byte[hashBytes];
        SHA256.HashData(input, hash);
        return MemoryMarshal.Read<BlockHash>(hash);
    }
}
