using System.CommandLine;
using Beam.Cli.Engine.Serve;
using Beam.ML.Vllm.Engine;

namespace Beam.Cli.Engine;

/// <summary>The model and how the engine is set up for it: vLLM's arguments by vLLM's names.</summary>
/// <param name="furtherModels">What MODEL may be for this command beside a checkpoint.</param>
internal sealed class ModelOptions(string furtherModels = "")
{
    private readonly Argument<string?> _model = new("MODEL") { Arity = ArgumentArity.ZeroOrOne, Description = $"A checkpoint folder, or a hub id that is in the local Hugging Face cache{furtherModels}." };
    private readonly EngineArgumentOptions _arguments = new();

    /// <summary>Adds the argument and the options to a command, behind those that it has.</summary>
    /// <param name="command">What gets them.</param>
    /// <param name="unlisted">Arguments of the engine that make no sense for it.</param>
    public void AddTo(Command command, params IReadOnlyCollection<string> unlisted)
    {
        command.Arguments.Add(_model);
        _arguments.AddTo(command, ["model", .. unlisted]);
    }

    public EngineOptions Read(ParseResult parsed) => _arguments.Read(parsed, new EngineOptions { Model = _arguments.Model(parsed, parsed.GetValue(_model)) });
}
