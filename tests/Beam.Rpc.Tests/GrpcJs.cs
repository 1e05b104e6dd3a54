using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace Beam.Rpc.Tests;

/// <summary>The gRPC implementation that is not ours: processes of interop/peer.js on node with @grpc/grpc-js.</summary>
internal static class GrpcJs
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private static readonly string Interop = Path.Combine(AppContext.BaseDirectory, "interop");
    private static readonly Lazy<Task<string?>> Missing = new(InstallAsync);

    /// <summary>Skips the test where node, npm or the packages cannot be had.</summary>
    public static async Task RequireAsync()
    {
        if (await Missing.Value is { } reason) Assert.Ignore(reason);
    }

    /// <summary>Makes one case's calls against a target; null when all is as it must be, else what was not.</summary>
    public static async Task<string?> CallAsync(string target, string name)
    {
        using var process = Start("call", target, name);
        string output = await ReadAsync(process);
        return process.ExitCode == 0 ? null : output;
    }

    public static Process Start(params string[] arguments)
    {
        var start = new ProcessStartInfo("node", [Path.Combine(Interop, "peer.js"), Path.Combine(Interop, "interop.proto"), .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
        };
        start.Environment["INTEROP_MODULES"] = Path.Combine(Interop, "node_modules");
        return Process.Start(start)!;
    }

    private static async Task<string?> InstallAsync()
    {
        // npm writes this file last.
        if (File.Exists(Path.Combine(Interop, "node_modules", ".package-lock.json"))) return null;
        var start = new ProcessStartInfo(OperatingSystem.IsWindows() ? "npm.cmd" : "npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        {
            WorkingDirectory = Interop,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            using var npm = Process.Start(start)!;
            string output = await ReadAsync(npm);
            return npm.ExitCode == 0 ? null : $"npm could not install @grpc/grpc-js: {output}";
        }
        catch (Win32Exception e)
        {
            return $"node and npm are not installed: {e.Message}";
        }
    }

    private static async Task<string> ReadAsync(Process process)
    {
        using var timeout = new CancellationTokenSource(Patience);
        try
        {
            var error = process.StandardError.ReadToEndAsync(timeout.Token);
            string output = await process.StandardOutput.ReadToEndAsync(timeout.Token);
            await process.WaitForExitAsync(timeout.Token);
            return output + await error;
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            return $"{process.StartInfo.FileName} did not end within {Patience}.";
        }
    }
}
