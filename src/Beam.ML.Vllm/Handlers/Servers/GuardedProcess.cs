using System.ComponentModel;
using System.Diagnostics;

namespace Beam.ML.Vllm;

/// <summary>
/// A foreign program with all that it starts in turn, which ends with this process however that ends. On Unix a shell stands between: the
/// program has a process group of its own, and the shell kills it when its standard input, a lifeline, closes. On Windows the tree of
/// processes is ended when this object is disposed of.
/// </summary>
internal sealed class GuardedProcess : IAsyncDisposable
{
    private const int TailLines = 20;

    // $1 is the grace in tenths of a second; the rest is the command. Without setsid(1), as on macOS, perl starts the group.
    private const string Guard = """
        grace=$1; shift
        exec 3<&0
        if command -v setsid >/dev/null 2>&1; then setsid "$@" 3<&- </dev/null &
        else perl -e 'use POSIX; POSIX::setsid(); exec { $ARGV[0] } @ARGV or exit 127' "$@" 3<&- </dev/null &
        fi
        child=$!
        (
          read -r _ <&3
          kill -s TERM -- "-$child" 2>/dev/null
          while [ "$grace" -gt 0 ] && kill -s 0 -- "-$child" 2>/dev/null; do sleep 0.1; grace=$((grace - 1)); done
          kill -s KILL -- "-$child" 2>/dev/null
        ) >/dev/null 2>&1 &
        guard=$!
        exec 3<&-
        wait "$child"; code=$?
        kill -s KILL -- "-$child" 2>/dev/null
        kill "$guard" 2>/dev/null
        exit "$code"
        """;

    private static readonly TimeSpan OutputGrace = TimeSpan.FromSeconds(2);

    private readonly Process _process;
    private readonly Task _output;
    private readonly Queue<string> _tail = new();

    private GuardedProcess(Process process, Action<string> onLine)
    {
        _process = process;
        _output = Task.WhenAll(ReadAsync(process.StandardOutput, onLine), ReadAsync(process.StandardError, onLine));
        Exited = WaitAsync();
    }

    /// <summary>Completes with the program's exit code.</summary>
    public Task<int> Exited { get; }

    /// <summary>The last lines that the program wrote.</summary>
    public string Tail
    {
        get
        {
            lock (_tail) return string.Join('\n', _tail);
        }
    }

    /// <param name="command">The program and its arguments. Anyone on the machine can read them: secrets go to the environment.</param>
    /// <param name="environment">Variables besides those of this process.</param>
    /// <param name="grace">How long the program may take to end when asked to.</param>
    /// <param name="onLine">Receives each line that the program writes.</param>
    /// <exception cref="InvalidOperationException">The program cannot be started.</exception>
    public static GuardedProcess Start(IReadOnlyList<string> command, IEnumerable<KeyValuePair<string, string>> environment, TimeSpan grace, Action<string> onLine)
    {
        string[] words = OperatingSystem.IsWindows()
            ? [.. command]
            : ["/bin/sh", "-c", Guard, "beam-guard", $"{(int)(grace.TotalSeconds * 10)}", .. command];
        var start = new ProcessStartInfo(words[0], words[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, CreateNoWindow = true };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        try
        {
            return new GuardedProcess(Process.Start(start)!, onLine);
        }
        catch (Win32Exception e)
        {
            throw new InvalidOperationException($"'{words[0]}' cannot be started: {e.Message}", e);
        }
    }

    /// <summary>Asks the program and all that it started to end, and ends them when their grace has passed.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!Exited.IsCompleted)
        {
            if (OperatingSystem.IsWindows()) _process.Kill(entireProcessTree: true);
            else _process.StandardInput.Close();
        }

        await Exited;
        _process.Dispose();
    }

    private async Task<int> WaitAsync()
    {
        await _process.WaitForExitAsync();
        try
        {
            await _output.WaitAsync(OutputGrace);
        }
        catch (TimeoutException)
        {
            // Someone outside of the group still holds the pipes; nobody waits for that.
        }

        return _process.ExitCode;
    }

    private async Task ReadAsync(StreamReader reader, Action<string> onLine)
    {
        try
        {
            while (await reader.ReadLineAsync() is { } line)
            {
                lock (_tail)
                {
                    if (_tail.Count == TailLines) _tail.Dequeue();
                    _tail.Enqueue(line);
                }

                onLine(line);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            // The pipe went with the process.
        }
    }
}
