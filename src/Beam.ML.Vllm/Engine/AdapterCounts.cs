using Beam.ML.Vllm.Lora;

namespace Beam.ML.Vllm.Engine;

/// <summary>How many sequences have which adapter. Only the step loop counts; the names may be read from any thread.</summary>
internal sealed class AdapterCounts
{
    private readonly Dictionary<LoraAdapter, int> _counts = [];
    private volatile string[] _names = [];

    /// <summary>Different adapters.</summary>
    public int Count => _counts.Count;

    /// <summary>Their names, in order.</summary>
    public IReadOnlyList<string> Names => _names;

    public bool Contains(LoraAdapter adapter) => _counts.ContainsKey(adapter);

    public void Add(LoraAdapter? adapter)
    {
        if (adapter is null) return;
        var count = _counts.GetValueOrDefault(adapter);
        _counts[adapter] = count + 1;
        if (count == 0) Note();
    }

    public void Remove(LoraAdapter? adapter)
    {
        if (adapter is null) return;
        var left = _counts[adapter] - 1;
        if (left > 0)
        {
            _counts[adapter] = left;
            return;
        }

        _counts.Remove(adapter);
        Note();
    }

    private void Note() => _names = [.. _counts.Keys.Select(a => a.Name).Order(StringComparer.Ordinal)];
}
