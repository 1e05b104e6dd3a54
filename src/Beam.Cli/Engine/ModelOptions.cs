using System.CommandLine;
using Beam.Cli.Engine.Serve;
using Beam.ML.Vllm.Engine;

namespace Beam.Cli.Engine;

/// <summary>The model and how the engine is set up for it: vLLM's arguments by vLLM's names.</summary>
internal sealed class ModelOptions
{
    private readonly Argument<string> _model = new("MODEL") { Description = "A checkpoint folder, or a hub id that is in the local Hugging Face cache." };
    private readonly EngineArgumentOptions _arguments = new();

    /// <summary>Adds the argument and the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Arguments.Add(_model);
        _arguments.AddTo(command);
    }

    public EngineOptions Read(ParseResult parsed) => _arguments.Read(parsed, new EngineOptions { Model = parsed.GetRequiredValue(_model) });
}
