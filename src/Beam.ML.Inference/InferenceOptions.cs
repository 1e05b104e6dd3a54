[assembly: Beam.PipelineOptionsGroup(typeof(Beam.ML.Inference.InferenceOptions))]

namespace Beam.ML.Inference;

/// <summary>Options of every pipeline that runs inference.</summary>
public sealed class InferenceOptions : PipelineOptionsGroup
{
    /// <summary>How many processes of a machine host a copy of each model; null for what the handlers say.</summary>
    [Option("model_copies", "Processes of a machine that host a copy of each model; by default what the model's handler says.")]
    public int? ModelCopies { get; set; }
}
