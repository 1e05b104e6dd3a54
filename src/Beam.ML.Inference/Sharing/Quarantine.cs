namespace Beam.ML.Inference.Sharing;

/// <summary>
/// Where requests wait that were in flight when hosts were lost: one of them may have killed them. The more hosts a request has lost, the
/// fewer others are in flight with it, of all workers together, until it is alone; requests that have lost few pass freely.
/// </summary>
/// <param name="leasePath">The lease of the worker whose suspects are in flight.</param>
internal sealed class Quarantine(string leasePath) : IDisposable
{
    private const int Room = 16;
    private static readonly TimeSpan LeasePollInterval = TimeSpan.FromMilliseconds(20);

    private readonly Lock gate = new();
    // Whoever needs much room holds the door, so that those who need little do not overtake it for ever.
    private readonly SemaphoreSlim door = new(1);
    private readonly SemaphoreSlim room = new(Room);
    private FileLease? lease;
    private int inside;

    /// <summary>Waits until a request may be sent.</summary>
    /// <param name="losses">How many hosts were lost while it was in flight.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<Place> EnterAsync(int losses, CancellationToken cancellationToken)
    {
        var size = losses switch { < 2 => 0, 2 => 1, 3 => Room / 4, _ => Room };
        if (size == 0) return default;
        await door.WaitAsync(cancellationToken);
        var taken = 0;
        try
        {
            for (; taken < size; taken++) await room.WaitAsync(cancellationToken);
            while (!TryComeIn()) await Task.Delay(LeasePollInterval, cancellationToken);
            return new Place(this, size);
        }
        catch
        {
            if (taken > 0) room.Release(taken);
            throw;
        }
        finally
        {
            door.Release();
        }
    }

    public void Dispose()
    {
        lock (gate) lease?.Dispose();
        door.Dispose();
        room.Dispose();
    }

    private bool TryComeIn()
    {
        lock (gate)
        {
            lease ??= FileLease.TryAcquire(leasePath);
            if (lease is null) return false;
            inside++;
            return true;
        }
    }

    private void Leave(int size)
    {
        lock (gate)
        {
            if (--inside == 0)
            {
                lease!.Dispose();
                lease = null;
            }
        }

        room.Release(size);
    }

    /// <summary>A request's place among those that are in flight.</summary>
    internal readonly struct Place(Quarantine? owner, int size) : IDisposable
    {
        /// <summary>Whether no other suspect is in flight.</summary>
        public bool IsAlone => size == Room;

        public void Dispose() => owner?.Leave(size);
    }
}
