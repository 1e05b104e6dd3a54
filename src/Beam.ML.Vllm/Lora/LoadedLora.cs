namespace Beam.ML.Vllm.Lora;

/// <summary>An adapter in memory, or on its way there.</summary>
internal sealed class LoadedLora(LoraRequest request)
{
    public LoraRequest Request => request;

    public TaskCompletionSource<LoraAdapter> Adapter { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Whether somebody has set about loading it.</summary>
    public bool IsBeingLoaded { get; set; }

    public int Leases { get; set; }

    public long LastUse { get; set; }

    /// <summary>No longer to be found; it goes when its last lease does.</summary>
    public bool IsForgotten { get; set; }

    /// <summary>It gives no more leases, so that one who waits for another adapter gets its room.</summary>
    public bool IsDrained { get; set; }
}

/// <summary>A request's hold on its adapter: as long as it lasts, the adapter stays in memory.</summary>
internal sealed class LoraLease(LoraRegistry registry, LoadedLora loaded, LoraAdapter adapter) : IDisposable
{
    private bool _released;

    public LoraAdapter Adapter => adapter;

    public void Dispose()
    {
        if (_released) return;
        _released = true;
        registry.Release(loaded);
    }
}
