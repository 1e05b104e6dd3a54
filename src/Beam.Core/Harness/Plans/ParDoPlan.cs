using Beam.Model;
using Beam.Serialization;
using Beam.SideInputs;
using Beam.Translation;
using Proto = Beam.Model.Pipeline;

namespace Beam.Harness;

internal sealed class ParDoPlan : TransformPlan
{
    private readonly Proto.ParDoPayload _payload;
    private readonly DoFnEnvelope _envelope;
    private readonly IReadOnlyCollection<OutputTag> _tags;
    private readonly bool _isAsync;
    private readonly Type _in;
    private readonly Type _out;

    public ParDoPlan(string id, Proto.PTransform transform, BundlePlan bundle) : base(id, transform, bundle)
    {
        _payload = Proto.ParDoPayload.Parser.ParseFrom(transform.Spec.Payload);
        if (_payload.DoFn?.Urn != DotnetUrns.DoFn)
            throw new NotSupportedException($"The .NET harness cannot run '{transform.UniqueName}': it knows no function '{_payload.DoFn?.Urn}'.");
        _envelope = DoFnEnvelope.Parse(_payload.DoFn.Payload);
        var fn = DotnetPayloads.DeserializeFn(_envelope.Fn, out _tags).GetType();
        var sync = Generics.ArgumentsOfBase(fn, typeof(DoFn<,>));
        var types = sync ?? Generics.ArgumentsOfBase(fn, typeof(AsyncDoFn<,>))
            ?? throw new InvalidDataException($"The payload of '{transform.UniqueName}' holds a {fn}, which is no DoFn.");
        _isAsync = sync is null;
        (_in, _out) = (types[0], types[1]);
    }

    public override IEnumerable<string> MainInputs => Transform.Inputs.Where(i => !_payload.SideInputs.ContainsKey(i.Key)).Select(i => i.Value);

    /// <summary>The timers that the runner announces for the transform.</summary>
    public IEnumerable<string> TimerFamilies => _payload.TimerFamilySpecs.Keys;

    public override void Infer(TypeMap types)
    {
        if (Transform.Outputs.TryGetValue(_envelope.MainOutput, out var main)) types.Set(main, _out);
        types.Set(SingleInput, _in);
        foreach (var tag in _tags)
        {
            if (Transform.Outputs.TryGetValue(tag.Name, out var output)) types.Set(output, tag.ElementType);
        }
    }

    // An output whose tag the function finds elsewhere has the type that whoever reads it wants. Where that is only the runner, the coder
    // has to say.
    public override void InferFromCoders(TypeMap types)
    {
        foreach (var output in Transform.Outputs.Values) types.Set(output, types.Natural(output));
    }

    public override bool GuessesLast => true;

    public override Operator Create(OperatorContext context)
    {
        var sideInputs = new Dictionary<string, SideInputReader>();
        foreach (var (tag, sideInput) in _payload.SideInputs) sideInputs.Add(tag, SideInputReader.Create(Plan(tag, sideInput), Bundle.Coders));
        var main = Transform.Outputs.TryGetValue(_envelope.MainOutput, out var output) ? context.EdgeOf(_envelope.MainOutput) : null;
        if (main is not null && main.ElementType != _out)
            throw new InvalidOperationException($"'{Transform.UniqueName}' makes {_out}, but its output '{output}' is of {main.ElementType}.");
        var outputs = Transform.Outputs.Keys.ToDictionary(t => t, context.EdgeOf);
        return (Operator)Generics.Create(
            _isAsync ? typeof(AsyncParDoOperator<,>) : typeof(ParDoOperator<,>), [_in, _out],
            context, DotnetPayloads.Deserialize(_envelope.Fn), new ParDoOutputs(Transform.UniqueName, _envelope.MainOutput, outputs, context.Coders), sideInputs);
    }

    private SideInputPlan Plan(string tag, Proto.SideInput sideInput)
    {
        if (!Transform.Inputs.TryGetValue(tag, out var collection))
            throw new InvalidDataException($"Transform '{Transform.UniqueName}' has no input for its side input '{tag}'.");
        if (sideInput.ViewFn?.Urn != DotnetUrns.ViewFn || sideInput.WindowMappingFn?.Urn != DotnetUrns.WindowMappingFn)
            throw new NotSupportedException($"The .NET harness cannot read the side input '{tag}' of '{Transform.UniqueName}': its view is '{sideInput.ViewFn?.Urn}'.");
        return new SideInputPlan(
            Id, Transform.UniqueName, tag,
            DotnetPayloads.Deserialize<ViewFn>(sideInput.ViewFn.Payload),
            DotnetPayloads.Deserialize<WindowFn>(sideInput.WindowMappingFn.Payload),
            Bundle.WindowCoderOf(collection), Bundle.CoderIdOf(collection));
    }
}
