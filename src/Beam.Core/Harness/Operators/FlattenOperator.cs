namespace Beam.Harness;

/// <summary>Several collections become one.</summary>
internal sealed class FlattenOperator<T>(OperatorContext context) : Receiver<T>(context)
{
    private readonly OutputEdge<T> _output = context.SingleEdge<T>();

    public override void Receive(in WindowedValue<T> element) => _output.Emit(in element);
}
