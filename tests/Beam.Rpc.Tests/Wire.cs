using System.Net;
using System.Net.Sockets;

namespace Beam.Rpc.Tests;

/// <summary>A relay in front of a server that can freeze: connections stay open and carry nothing any more.</summary>
internal sealed class Wire : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;
    private volatile bool _frozen;

    public Wire(string target)
    {
        _listener.Start();
        Target = _listener.LocalEndpoint.ToString()!;
        _accepting = AcceptAsync(IPEndPoint.Parse(target));
    }

    public string Target { get; }

    public void Freeze() => _frozen = true;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _accepting;
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync(IPEndPoint target)
    {
        try
        {
            while (true)
            {
                using var client = await _listener.AcceptTcpClientAsync(_stop.Token);
                using var server = new TcpClient();
                await server.ConnectAsync(target, _stop.Token);
                await Task.WhenAll(CopyAsync(client.GetStream(), server.GetStream()), CopyAsync(server.GetStream(), client.GetStream()));
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }

    private async Task CopyAsync(NetworkStream from, NetworkStream to)
    {
        var buffer = new byte[4096];
        try
        {
            while (true)
            {
                int read = await from.ReadAsync(buffer, _stop.Token);
                if (_frozen || read == 0) break;
                await to.WriteAsync(buffer.AsMemory(0, read), _stop.Token);
            }
        }
        catch (IOException)
        {
            // The other end gave up.
        }
        await Task.Delay(Timeout.InfiniteTimeSpan, _stop.Token);
    }
}
