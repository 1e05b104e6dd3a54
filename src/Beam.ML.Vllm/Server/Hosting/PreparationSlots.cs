namespace Beam.ML.Vllm.Server.Hosting;

/// <summary>
/// Bounds the requests that are made ready at a time. To parse, render, tokenize and compile takes a processor each, and the engine's steps
/// need them too. Some more may wait for their turn; those beyond are turned away.
/// </summary>
/// <param name="slots">Requests that are made ready at a time.</param>
/// <param name="waiting">Requests that may wait meanwhile.</param>
internal sealed class PreparationSlots(int slots, int waiting) : IDisposable
{
    private readonly SemaphoreSlim _free = new(slots);
    private int _inside;

    /// <summary>Waits for a turn, which lasts until the pass is disposed of.</summary>
    /// <exception cref="ApiException">Too many wait already.</exception>
    public async ValueTask<Pass> EnterAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Increment(ref _inside) - slots > waiting)
        {
            Interlocked.Decrement(ref _inside);
            throw ApiException.Overloaded($"The server makes {slots} requests ready at a time, and {waiting} wait for that; try again later.");
        }

        try
        {
            await _free.WaitAsync(cancellationToken);
        }
        catch
        {
            Interlocked.Decrement(ref _inside);
            throw;
        }

        return new Pass(this);
    }

    public void Dispose() => _free.Dispose();

    public readonly struct Pass(PreparationSlots owner) : IDisposable
    {
        public void Dispose()
        {
            Interlocked.Decrement(ref owner._inside);
            owner._free.Release();
        }
    }
}
