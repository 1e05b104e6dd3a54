namespace Beam.ML.Inference.Sharing;

/// <summary>Keeps this worker connected to the host of one copy, whichever generation that is.</summary>
internal sealed class HostClient(HostDirectory directory, ModelSharing sharing, Signal changed)
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(50);

    private volatile HostConnection? current;
    private volatile string? error;
    private volatile bool everConnected;
    private long abandoned;

    /// <summary>The connection, if there is one that lives.</summary>
    public HostConnection? Current => current is { IsAlive: true } connection ? connection : null;

    /// <summary>Why the model cannot be loaded; null if it can, as far as is known.</summary>
    public string? Error => error;

    /// <summary>Whether there was a connection at any time.</summary>
    public bool EverConnected => everConnected;

    /// <summary>Reads the record, connects, and does so again when the connection is lost.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var record = directory.Read();
            if (record?.Error != error)
            {
                error = record?.Error;
                changed.Raise();
            }

            if (record is { IsReady: true } && record.Generation != abandoned) await ConnectAsync(record, cancellationToken);
            await Task.Delay(PollInterval, cancellationToken);
        }
    }

    private async Task ConnectAsync(HostRecord record, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await HostConnection.OpenAsync(record, sharing, cancellationToken);
            current = connection;
            everConnected = true;
            changed.Raise();
            await connection.Closed.WaitAsync(cancellationToken);
            if (connection.IsAbandoned) abandoned = record.Generation;
        }
        catch (HostLostException)
        {
            // The record outlived its host: its owner, or the next one, publishes another.
        }
        finally
        {
            current = null;
            changed.Raise();
        }
    }
}
