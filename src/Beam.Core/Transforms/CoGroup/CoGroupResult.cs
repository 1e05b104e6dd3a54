using Beam.Coders;

namespace Beam;

/// <summary>The values of a key in several collections.</summary>
public sealed class CoGroupResult
{
    private readonly string[] tags;
    private readonly List<object?>[] values;

    internal CoGroupResult(string[] tags, List<object?>[] values) => (this.tags, this.values) = (tags, values);

    internal IReadOnlyList<List<object?>> Values => values;

    /// <summary>The values in one of the collections; may be empty.</summary>
    /// <exception cref="KeyNotFoundException">There is no collection of this name.</exception>
    public IEnumerable<T> GetAll<T>(CoGroupTag<T> tag)
    {
        var index = Array.IndexOf(tags, tag.Name);
        if (index < 0)
            throw new KeyNotFoundException($"There is no collection '{tag.Name}'; the joined ones are {string.Join(", ", tags.Select(t => $"'{t}'"))}.");
        return values[index].Cast<T>();
    }

    /// <summary>The only value in one of the collections.</summary>
    /// <exception cref="InvalidOperationException">There are none, or several.</exception>
    public T GetOnly<T>(CoGroupTag<T> tag) => GetAll(tag).Single();

    /// <summary>The only value in one of the collections, or a default if there is none.</summary>
    /// <exception cref="InvalidOperationException">There are several.</exception>
    public T GetOnly<T>(CoGroupTag<T> tag, T defaultValue) => GetAll(tag).SingleOrDefault(defaultValue);
}

/// <summary>For each collection the number of values, and the values.</summary>
internal sealed class CoGroupResultCoder(string[] tags, Coder[] values) : Coder<CoGroupResult>
{
    private readonly Coder[] values = values;

    public override IReadOnlyList<Coder> Components => values;

    // The order of the values is not the key's.
    public override bool IsDeterministic => false;

    public override void Encode(CoGroupResult value, CoderWriter writer, bool nested)
    {
        for (var i = 0; i < values.Length; i++)
        {
            writer.WriteVarint(value.Values[i].Count);
            foreach (var item in value.Values[i]) values[i].EncodeObject(item, writer, nested: true);
        }
    }

    public override CoGroupResult Decode(ref CoderReader reader, bool nested)
    {
        var lists = new List<object?>[values.Length];
        for (var i = 0; i < values.Length; i++)
        {
            var count = reader.CheckCount(reader.ReadVarint());
            lists[i] = new List<object?>(count);
            for (var n = 0; n < count; n++) lists[i].Add(values[i].DecodeObject(ref reader, nested: true));
        }

        return new(tags, lists);
    }
}
