using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>A step of a decoder: it changes the residual stream, [rows, hidden size].</summary>
internal interface ILayer
{
    void Forward(ForwardContext context, Matrix hidden);
}

/// <summary>What a residual connection goes around: attention, an MLP, experts.</summary>
internal interface ISublayer
{
    /// <summary>Writes to y, or adds to it; x may be y.</summary>
    void Forward(ForwardContext context, Matrix x, Matrix y, bool add);
}

/// <summary>A norm; y may be x.</summary>
internal interface INorm
{
    void Forward(ForwardContext context, Matrix x, Matrix y);
}
