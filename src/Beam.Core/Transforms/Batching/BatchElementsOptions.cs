namespace Beam;

/// <summary>How <c>BatchElements</c> chooses the size of batches: it times what is done with each batch, and grows or shrinks the next.</summary>
public sealed record BatchElementsOptions
{
    /// <summary>The smallest batch, but for the last of a bundle or window. Default 1.</summary>
    public int MinBatchSize { get; init; } = 1;

    /// <summary>The largest batch. Default 10,000.</summary>
    public int MaxBatchSize { get; init; } = 10_000;

    /// <summary>The part of a batch's time that its fixed cost should be, between 0 and 1; null for no such target. Default 0.05.</summary>
    public double? TargetBatchOverhead { get; init; } = 0.05;

    /// <summary>The time that a batch should take beyond its fixed cost; null for no such target. Default 10 seconds.</summary>
    public TimeSpan? TargetBatchDuration { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The time that a batch should take with its fixed cost; null, the default, for no such target.</summary>
    public TimeSpan? TargetBatchDurationIncludingFixedCost { get; init; }

    /// <summary>The part of the target by which sizes vary around it, so that the estimate keeps learning. Default 0.25.</summary>
    public double Variance { get; init; } = 0.25;

    internal void Check()
    {
        if (MinBatchSize < 1) throw Wrong($"{nameof(MinBatchSize)} is {MinBatchSize}; it must be at least 1");
        if (MaxBatchSize < MinBatchSize) throw Wrong($"{nameof(MaxBatchSize)} is {MaxBatchSize}, less than {nameof(MinBatchSize)}, {MinBatchSize}");
        if (TargetBatchOverhead is <= 0 or > 1) throw Wrong($"{nameof(TargetBatchOverhead)} is {TargetBatchOverhead}; it must be between 0 and 1");
        if (TargetBatchDuration <= TimeSpan.Zero) throw Wrong($"{nameof(TargetBatchDuration)} is {TargetBatchDuration}; it must be positive");
        if (TargetBatchDurationIncludingFixedCost <= TimeSpan.Zero)
            throw Wrong($"{nameof(TargetBatchDurationIncludingFixedCost)} is {TargetBatchDurationIncludingFixedCost}; it must be positive");
        if (Variance is not (>= 0 and < 1)) throw Wrong($"{nameof(Variance)} is {Variance}; it must be at least 0 and less than 1");
    }

    private static PipelineConstructionException Wrong(string what) => new($"BatchElements: {what}.");
}
