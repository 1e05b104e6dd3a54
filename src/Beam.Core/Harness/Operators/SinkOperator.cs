using Beam.Coders;
using Beam.Model.Pipeline;

namespace Beam.Harness;

/// <summary>Where elements leave a processor for the runner: encoded one after another, sent whenever about a mebibyte has gathered.</summary>
internal sealed class SinkOperator<T>(OperatorContext context, RemotePort port) : Receiver<T>(context)
{
    // Just under the size to which the writer's buffer grows, so that what is sent fills the buffer that goes with it.
    private const int FlushThreshold = (1 << 20) - (1 << 16);

    private readonly Coder<WindowedValue<T>> _coder = context.Coders.Get<WindowedValue<T>>(port.CoderId);
    private readonly OutputEdge<T> _input = context.Edge<T>(context.Transform.Inputs.Values.Single());
    private readonly ApiServiceDescriptor _endpoint = port.Endpoint;
    private CoderWriter? _writer;
    private BundleContext? _bundle;
    private SizeSampler? _sizes;

    public override void StartBundle(BundleContext bundle)
    {
        _bundle = bundle;
        _writer = new CoderWriter();
        _sizes = _input.Sizes ??= new SizeSampler();
    }

    public override void Receive(in WindowedValue<T> element)
    {
        var before = Context.Enter();
        var writer = _writer!;
        var start = writer.Length;
        _coder.Encode(element, writer, nested: true);
        _sizes!.Add(writer.Length - start);
        if (writer.Length >= FlushThreshold) _bundle!.Outbound.Send(_endpoint, TransformId, writer.DetachToByteString());
        Context.Leave(before);
    }

    public override void FinishBundle()
    {
        _bundle!.Outbound.Finish(_endpoint, TransformId, _writer!.DetachToByteString());
        Release();
    }

    public override void Abandon() => Release();

    private void Release()
    {
        _writer?.Dispose();
        _writer = null;
        _bundle = null;
    }
}
