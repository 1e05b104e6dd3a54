namespace Beam.Coders;

/// <summary>Where the rest of an iterable is that was too big to travel with its element.</summary>
internal interface IIterableStateReader
{
    /// <summary>
    /// The encoded values behind a token, page by page, fetched as they are asked for. The pages make one stream of bytes: a value
    /// may begin in one and end in the next. Each call starts from the beginning.
    /// </summary>
    IEnumerable<ReadOnlyMemory<byte>> ReadPages(ReadOnlyMemory<byte> token);
}
