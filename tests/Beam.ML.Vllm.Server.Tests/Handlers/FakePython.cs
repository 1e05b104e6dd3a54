using Beam.ML.Vllm.Server.Tests;

namespace Beam.ML.Vllm.Server.Tests.Handlers;

/// <summary>
/// A program that takes the place of <c>python</c>: called as vLLM's server is, it runs this library's, after it has written down its
/// process id. A file beside it makes it fail or hang instead.
/// </summary>
internal sealed class FakePython : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("beam-python-");

    public FakePython()
    {
        if (OperatingSystem.IsWindows()) return;
        var tool = System.IO.Path.Combine(AppContext.BaseDirectory, "Beam.Cli.dll");
        File.WriteAllText(Path, $"""
            #!/bin/sh
            here={_folder.FullName}
            echo $$ >> $here/pids
            [ "$1 $2 $3" = "-m vllm.entrypoints.openai.api_server --model" ] || exit 64
            model=$4; shift 4
            echo "$@" >> $here/arguments
            if [ -f $here/fail ]; then echo "CUDA out of memory"; exit 3; fi
            if [ -f $here/hang ]; then exec sleep 600; fi
            sleep 600 &
            echo $! >> $here/pids
            exec dotnet {tool} engine serve "$model" --num-threads 1 --num-gpu-blocks-override 256 "$@"
            """);
        File.SetUnixFileMode(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    public string Path => System.IO.Path.Combine(_folder.FullName, "python");

    /// <summary>The processes that were started: the server's, and one that it started in turn.</summary>
    public int[] Pids => Lines("pids").Select(line => int.Parse(line, System.Globalization.CultureInfo.InvariantCulture)).ToArray();

    public string[] Arguments => Lines("arguments");

    public VllmServerOptions Options => VllmServerOptions.Start() with { Command = [Path, "-m", "vllm.entrypoints.openai.api_server"], ReadinessTimeout = TimeSpan.FromMinutes(1) };

    public void Do(string what) => File.WriteAllText(System.IO.Path.Combine(_folder.FullName, what), "");

    public void DoNo(string what) => File.Delete(System.IO.Path.Combine(_folder.FullName, what));

    public void Dispose() => _folder.Delete(recursive: true);

    private string[] Lines(string file) => File.Exists(System.IO.Path.Combine(_folder.FullName, file)) ? File.ReadAllLines(System.IO.Path.Combine(_folder.FullName, file)) : [];
}
