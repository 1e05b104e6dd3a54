using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Beam.ML.Vllm.Kernels;

/// <summary>The instruction sets that kernels are compiled for; one is chosen when the engine starts.</summary>
internal enum InstructionSet
{
    /// <summary><see cref="System.Numerics.Vector{T}"/>: whatever the machine has, Arm included.</summary>
    Portable,

    /// <summary>256-bit vectors with fused multiply-add.</summary>
    Avx2,

    /// <summary>512-bit vectors.</summary>
    Avx512,
}

internal static class InstructionSets
{
    /// <summary>The widest set that this machine runs at full speed.</summary>
    public static InstructionSet Best =>
        IsSupported(InstructionSet.Avx512) ? InstructionSet.Avx512
        : IsSupported(InstructionSet.Avx2) ? InstructionSet.Avx2
        : InstructionSet.Portable;

    public static bool IsSupported(InstructionSet set) => set switch
    {
        InstructionSet.Avx512 => Vector512.IsHardwareAccelerated && Avx512F.IsSupported && Avx512BW.IsSupported,
        InstructionSet.Avx2 => Avx2.IsSupported && Fma.IsSupported,
        _ => true,
    };
}
