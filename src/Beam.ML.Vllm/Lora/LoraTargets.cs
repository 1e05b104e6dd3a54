namespace Beam.ML.Vllm.Lora;

/// <summary>A module of the model that an adapter may change: some outputs of a linear layer, which may merge several modules.</summary>
/// <param name="Index">Its place among all of the model's.</param>
/// <param name="Name">As the checkpoint names it, without <c>.weight</c>.</param>
/// <param name="Inputs">Columns of its input.</param>
/// <param name="FirstOutput">Where its outputs start in the layer's.</param>
/// <param name="Outputs">Columns of its output.</param>
internal sealed record LoraTarget(int Index, string Name, int Inputs, int FirstOutput, int Outputs);

/// <summary>All modules of a model that adapters may change, noted while the model is built.</summary>
internal sealed class LoraTargets
{
    private readonly Dictionary<string, LoraTarget> _byName = new(StringComparer.Ordinal);

    public int Count => _byName.Count;

    public IEnumerable<LoraTarget> All => _byName.Values;

    public LoraTarget? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Notes the modules that make up a layer; those that no adapter can change are left out.</summary>
    public LoraTarget[] Register(int inputs, params ReadOnlySpan<(string Name, int Outputs)> parts)
    {
        var targets = new List<LoraTarget>(parts.Length);
        var first = 0;
        foreach (var (name, outputs) in parts)
        {
            if (SeesAllRows(name))
            {
                var target = new LoraTarget(_byName.Count, name, inputs, first, outputs);
                _byName.Add(name, target);
                targets.Add(target);
            }

            first += outputs;
        }

        return [.. targets];
    }

    /// <summary>Adapters go by the rows of the step; experts see the rows that chose them, the head those that sample.</summary>
    private static bool SeesAllRows(string name) =>
        !name.Contains(".experts.", StringComparison.Ordinal) && name != "lm_head" && !name.EndsWith(".project_out", StringComparison.Ordinal);
}
