using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.StructuredOutput;

namespace Beam.ML.Vllm.Engine;

/// <summary>Sampling parameters that have been checked for an engine, and what is made of them once for all prompts that share them.</summary>
/// <param name="Parameters">The parameters, with bad words as tokens.</param>
/// <param name="Constraint">What the output must look like; null if it is free.</param>
internal sealed record PreparedParams(SamplingParams Parameters, CompiledConstraint? Constraint = null);
