namespace Beam.ML.Inference.Sharing;

/// <summary>
/// Where requests wait that were in flight when hosts were lost: one of them may have killed them. The more hosts a request has lost, the
/// fewer others are in flight with it, of all workers together, until it is alone; requests that have lost few pass freely. Answers to
/// suspects make room for the others again (most often nobody but the machine killed their hosts), and only the last two attempts of a
/// request are its own in any case.
/// </summary>
/// <param name="leasePath">The lease of the worker whose suspects are in flight.</param>
/// <param name="maxAttempts">How often a request is sent.</param>
internal sealed class Quarantine(string leasePath, int maxAttempts) : IDisposable
{
    private const int Room = 16;
    private static readonly TimeSpan LeasePollInterval = TimeSpan.FromMilliseconds(20);

    private readonly Lock gate = new();
    // Whoever needs much room holds the door, so that those who need little do not overtake it for ever.
    private readonly SemaphoreSlim door = new(1);
    private readonly SemaphoreSlim room = new(Room);
    private FileLease? lease;
    private int inside;
    private int answersInARow;

    /// <summary>Waits until a request may be sent.</summary>
    /// <param name="losses">How many hosts were lost while it was in flight.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<Place> EnterAsync(int losses, CancellationToken cancellationToken)
    {
        if (losses < 2) return default;
        await door.WaitAsync(cancellationToken);
        var (size, taken) = (SizeOf(losses), 0);
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

    /// <summary>A suspect was answered.</summary>
    public void Trust() => Interlocked.Increment(ref answersInARow);

    /// <summary>A host was lost.</summary>
    public void Distrust() => Volatile.Write(ref answersInARow, 0);

    public void Dispose()
    {
        lock (gate) lease?.Dispose();
        door.Dispose();
        room.Dispose();
    }

    private int SizeOf(int losses)
    {
        if (losses >= maxAttempts - 2) return Room;
        var size = losses switch { 2 => 1, 3 => Room / 4, _ => Room };
        return Math.Max(1, size >> Math.Min(Volatile.Read(ref answersInARow), 8));
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
