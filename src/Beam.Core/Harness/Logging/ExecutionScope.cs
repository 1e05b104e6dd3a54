namespace Beam.Harness;

/// <summary>Which bundle and transform a piece of code runs for, wherever it runs: what it logs says so.</summary>
/// <param name="InstructionId">The bundle.</param>
/// <param name="TransformId">The transform, where it is fixed for the whole flow.</param>
/// <param name="Processor">Knows the transform otherwise: the bundle's thread moves from one to the next.</param>
internal sealed record ExecutionScope(string InstructionId, string? TransformId, BundleProcessor? Processor)
{
    private static readonly AsyncLocal<ExecutionScope?> Flow = new();

    public static ExecutionScope? Current => Flow.Value;

    /// <summary>The transform that runs now.</summary>
    public string? CurrentTransformId => TransformId ?? Processor?.CurrentTransformId;

    /// <summary>Enters a scope; <see cref="Restore"/> takes what this returns.</summary>
    public static ExecutionScope? Enter(string instructionId, string? transformId, BundleProcessor? processor = null)
    {
        var before = Flow.Value;
        Flow.Value = new ExecutionScope(instructionId, transformId, processor);
        return before;
    }

    public static void Restore(ExecutionScope? before) => Flow.Value = before;
}
