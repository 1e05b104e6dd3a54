using System.Net.Sockets;
using Beam.Rpc;

namespace Beam.ML.Vllm.Server.Hosting;

/// <summary>Says why a server cannot listen where it was told to, and what would help.</summary>
internal static class ListenFailure
{
    /// <summary>Makes way for a socket: one that nobody listens on any more is removed, anything else stays.</summary>
    /// <exception cref="IOException">No socket can be made there.</exception>
    public static void CheckSocketPath(string path)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(path));
        if (folder is not null && !Directory.Exists(folder)) throw new IOException($"The socket '{path}' cannot be made: the folder {folder} does not exist.");
        if (Directory.Exists(path)) throw new IOException($"The socket '{path}' cannot be made: there is a folder of that name.");
        try
        {
            _ = new UnixDomainSocketEndPoint(path);
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw new IOException($"The socket '{path}' cannot be made: the path is too long for one, which the system limits to about 100 bytes.", e);
        }

        UnixSocket.RemoveStale(path);
        if (!File.Exists(path)) return;
        throw new IOException(UnixSocket.IsSocket(path)
            ? $"The socket '{path}' is in use by another process."
            : $"The socket '{path}' cannot be made: there is a file of that name, which is no socket.");
    }

    /// <summary>What a failure to bind comes to; null for any other failure.</summary>
    public static IOException? Explain(Exception exception, ServerOptions options)
    {
        var socket = Chain(exception).OfType<SocketException>().FirstOrDefault();
        if (socket is null) return null;
        if (options.UnixSocketPath is { } path) return new IOException($"The socket '{path}' cannot be made: {socket.Message}.", exception);
        return new IOException(socket.SocketErrorCode switch
        {
            SocketError.AddressAlreadyInUse => $"Port {options.Port} of {options.Host} is in use; --port 0 takes a free one.",
            SocketError.AddressNotAvailable => $"The host {options.Host} is no address of this machine; 0.0.0.0 listens on all of them.",
            SocketError.AccessDenied => $"Port {options.Port} may not be used by this user; take one above 1023.",
            SocketError.AddressFamilyNotSupported => $"This machine has no addresses of the kind of {options.Host}.",
            _ => $"The server cannot listen at port {options.Port} of {options.Host}: {socket.Message}.",
        }, exception);
    }

    private static IEnumerable<Exception> Chain(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException) yield return exception;
    }
}
