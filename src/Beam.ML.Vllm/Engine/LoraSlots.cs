using Beam.ML.Vllm.Lora;

namespace Beam.ML.Vllm.Engine;

/// <summary>
/// Which adapters run, so that there are no more than <c>max_loras</c> different ones at a time. A sequence whose adapter finds no room is
/// passed over by others for a while, as that keeps batches full; after <see cref="Patience"/> steps no sequence with an adapter is let in
/// before it, so that room comes in bounded time.
/// </summary>
internal sealed class LoraSlots(int maxLoras)
{
    internal const int Patience = 128;

    private readonly AdapterCounts _running = new();
    private long _step;

    public int Count => _running.Count;

    /// <summary>The names of those that run.</summary>
    public IReadOnlyList<string> Names => _running.Names;

    /// <summary>To be called once a step: patience is counted in steps.</summary>
    public void BeginStep() => _step++;

    public void Enter(Sequence sequence)
    {
        sequence.PassedOverSince = null;
        _running.Add(sequence.Lora);
    }

    public void Leave(LoraAdapter? adapter) => _running.Remove(adapter);

    /// <summary>The first sequence, in their order, that may run now; null if there is none.</summary>
    public Sequence? NextOf(SortedSet<Sequence> waiting)
    {
        if (waiting.Min is not { } first) return null;
        if (HasRoom(first.Lora)) return first;
        Sequence? passedOver = null;
        foreach (var sequence in waiting)
        {
            if (sequence.Lora is null) return sequence;
            if (!HasRoom(sequence.Lora))
            {
                // The first alone: its clock goes on where it is no longer the first of all, or a step finds no room for anyone.
                passedOver ??= sequence;
                passedOver.PassedOverSince ??= _step;
            }
            else if (_step - (passedOver?.PassedOverSince ?? _step) < Patience)
            {
                return sequence;
            }
        }

        return null;
    }

    private bool HasRoom(LoraAdapter? adapter) => adapter is null || _running.Count < maxLoras || _running.Contains(adapter);
}
