using System.CommandLine;
using Beam.Cli.Engine.Bench;
using Beam.Cli.Engine.Chat;
using Beam.Cli.Engine.Export;
using Beam.Cli.Engine.Serve;
using Beam.Cli.Hosting;

namespace Beam.Cli.Engine;

/// <summary><c>beam engine</c>: the LLM engine. A further command is one more line here.</summary>
internal static class EngineCommand
{
    public static Command Create(CliHost host) => new("engine", "The LLM engine: chat with a model, serve it, measure it, export it.")
    {
        ChatCommand.Create(host),
        ServeCommand.Create(host),
        BenchCommand.Create(host),
        ExportGgufCommand.Create(host),
        FirstToken.CreateCommand(host),
    };
}
