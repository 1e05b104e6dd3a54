namespace Beam;

/// <summary>Names one of the outputs of a transform that has several.</summary>
/// <typeparam name="T">The element type of the output.</typeparam>
/// <param name="Name">The output's name, unique within the transform.</param>
public sealed record OutputTag<T>(string Name) : OutputTag(Name)
{
    internal override Type ElementType => typeof(T);

    internal override PCollection CreateOutput(TransformNode node, PCollection like) => node.AddOutput<T>(Name, like.Windowing, like.IsBounded);
}

/// <summary>Names one of the outputs of a transform that has several.</summary>
/// <param name="Name">The output's name, unique within the transform.</param>
public abstract record OutputTag(string Name)
{
    internal abstract Type ElementType { get; }

    internal abstract PCollection CreateOutput(TransformNode node, PCollection like);
}
