namespace Beam;

/// <summary>
/// A step of a pipeline: a plain class whose <see cref="Expand"/> says, in terms of other transforms, what it does with its input.
/// </summary>
/// <typeparam name="TInput">What it takes: <see cref="PBegin"/>, a collection, or several.</typeparam>
/// <typeparam name="TOutput">What it gives: <see cref="PDone"/>, a collection, or several.</typeparam>
public abstract class PTransform<TInput, TOutput> where TInput : IPValue where TOutput : IPValue
{
    /// <summary>The name in the graph unless the caller gives one; by default the type's. It must not change from run to run.</summary>
    public virtual string Name
    {
        get
        {
            var name = GetType().Name;
            var arity = name.IndexOf('`', StringComparison.Ordinal);
            return arity < 0 ? name : name[..arity];
        }
    }

    /// <summary>Builds the transform from others.</summary>
    public abstract TOutput Expand(TInput input);

    /// <summary>What <paramref name="node"/> is told before <see cref="Expand"/> runs: a primitive's or a known composite's URN and payload.</summary>
    private protected virtual void Describe(TInput input, TransformNode node) { }

    internal void DescribeTo(TInput input, TransformNode node) => Describe(input, node);
}

/// <summary>A function of collections as a composite.</summary>
internal sealed class FunctionTransform<TInput, TOutput>(string name, Func<TInput, TOutput> composite) : PTransform<TInput, TOutput>
    where TInput : IPValue where TOutput : IPValue
{
    public override string Name => name;

    public override TOutput Expand(TInput input) => composite(input);
}
