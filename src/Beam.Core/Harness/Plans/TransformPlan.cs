using Proto = Beam.Model.Pipeline;

namespace Beam.Harness;

/// <summary>
/// One transform of a descriptor, understood once: it finds the types of the collections around it, and makes operators for processors.
/// </summary>
internal abstract class TransformPlan(string id, Proto.PTransform transform, BundlePlan bundle)
{
    public string Id => id;

    public Proto.PTransform Transform => transform;

    protected BundlePlan Bundle => bundle;

    /// <summary>The inputs whose elements flow through the operator: all but side inputs.</summary>
    public virtual IEnumerable<string> MainInputs => transform.Inputs.Values;

    protected string SingleInput => Single(MainInputs, "inputs");

    protected string SingleOutput => Single(transform.Outputs.Values, "outputs");

    /// <summary>Says the types that follow from the transform and from what is known already. Called until nothing changes.</summary>
    public virtual void Infer(TypeMap types) { }

    /// <summary>
    /// Says types that nothing around the transform knows, from the coders' own.
    /// </summary>
    public virtual void InferFromCoders(TypeMap types) { }

    /// <summary>Whether it is asked for <see cref="InferFromCoders"/> after those that know at least a part of their types.</summary>
    public virtual bool GuessesLast => false;

    public abstract Operator Create(OperatorContext context);

    private string Single(IEnumerable<string> ids, string what)
    {
        using var each = ids.GetEnumerator();
        if (each.MoveNext() && each.Current is var only && !each.MoveNext()) return only;
        throw new InvalidDataException($"Transform '{transform.UniqueName}' ({transform.Spec.Urn}) should have exactly one of the {what}.");
    }
}
