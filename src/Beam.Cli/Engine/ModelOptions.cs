using System.CommandLine;
using Beam.ML.Vllm.Engine;

namespace Beam.Cli.Engine;

/// <summary>The model and how the engine is set up for it: vLLM's names and meanings.</summary>
internal sealed class ModelOptions
{
    private readonly Argument<string> _model = new("MODEL") { Description = "A checkpoint folder, or a hub id that is in the local Hugging Face cache." };
    private readonly Option<ModelDtype> _dtype = new("--dtype") { Description = "The numbers that weights and cache are kept in.", DefaultValueFactory = _ => ModelDtype.Auto };
    private readonly Option<string?> _quantization = new("--quantization", "-q") { Description = "int8 or int4: quantize plain weights while loading; or the method that the checkpoint is quantized by.", HelpName = "method" };
    private readonly Option<int?> _maxModelLength = new("--max-model-len") { Description = "The longest sequence, prompt and output together, in tokens.", HelpName = "tokens" };
    private readonly Option<double?> _memoryUtilization = new("--memory-utilization") { Description = "The part of the free memory that the cache may take, in (0, 1].", HelpName = "part" };
    private readonly Option<int?> _threads = new("--num-threads") { Description = "Threads that compute; one for each processor by default.", HelpName = "count" };
    private readonly Option<long?> _seed = new("--seed") { Description = "Where sampling starts.", HelpName = "number" };

    /// <summary>Adds the argument and the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Arguments.Add(_model);
        foreach (var option in (Option[])[_dtype, _quantization, _maxModelLength, _memoryUtilization, _threads, _seed]) command.Options.Add(option);
    }

    public EngineOptions Read(ParseResult parsed)
    {
        var options = new EngineOptions { Model = parsed.GetRequiredValue(_model) };
        return options with
        {
            Dtype = parsed.GetValue(_dtype),
            Quantization = parsed.GetValue(_quantization),
            MaxModelLength = parsed.GetValue(_maxModelLength),
            MemoryUtilization = parsed.GetValue(_memoryUtilization) ?? options.MemoryUtilization,
            NumThreads = parsed.GetValue(_threads),
            Seed = parsed.GetValue(_seed),
        };
    }
}
