using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace Beam.Rpc;

/// <summary>Unix domain sockets that only their owner may open.</summary>
internal static class UnixSocket
{
    /// <summary>Binds a listening socket. A Unix socket gets mode 0600 before it listens, so nobody can slip in between.</summary>
    public static Socket Bind(EndPoint endPoint)
    {
        var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endPoint);
        try
        {
            // On Windows the folder's access list decides.
            if (endPoint is UnixDomainSocketEndPoint && !OperatingSystem.IsWindows())
                File.SetUnixFileMode(endPoint.ToString()!, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Removes the socket file that a killed process left behind; one that somebody listens on stays.</summary>
    public static void RemoveStale(string path)
    {
        if (!File.Exists(path)) return;
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused && IsSocket(path))
        {
            File.Delete(path);
        }
        catch (SocketException)
        {
            // Not a socket, or not ours: binding says what is wrong.
        }
    }

    /// <summary>Whether a file is a socket: alone of all kinds it cannot be opened as a file is.</summary>
    public static bool IsSocket(string path)
    {
        if (OperatingSystem.IsWindows()) return File.Exists(path) && File.GetAttributes(path).HasFlag(FileAttributes.ReparsePoint);
        // ENXIO on Linux and macOS; EOPNOTSUPP on macOS.
        const int NoDevice = 6, NotSupported = 102;
        try
        {
            // For reading alone a pipe would wait for its writer.
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            return false;
        }
        catch (IOException e)
        {
            return e.HResult is NoDevice or NotSupported;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }
}
