using Beam.ML.Vllm.Kernels.Assembly;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Beam.Cli.Engine.Bench;

/// <summary>Dot products of bfloat16 numbers in registers, for which .NET has no intrinsic: a loop in machine code.</summary>
internal static unsafe class DotPeak
{
    private const int Chains = 12;

    /// <summary>Operations of one turn of the loop: each instruction multiplies and adds 32 pairs.</summary>
    public const double OperationsPerIteration = 2.0 * 32 * Chains;

    public static bool IsSupported => AssembledTiles.HasBFloat16Dot;

    /// <summary>The loop; null where the system lets no process write code.</summary>
    public static ExecutableMemory? Assemble()
    {
        var code = new Assembler(64);
        var loop = code.CreateLabel();
        AssemblerRegisterZMM[] sums = [zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27];
        foreach (var register in (AssemblerRegisterZMM[])[.. sums, zmm28, zmm29]) code.vpxord(register, register, register);
        code.Label(ref loop);
        foreach (var sum in sums) code.vdpbf16ps(sum, zmm28, zmm29);
        var count = OperatingSystem.IsWindows() ? rcx : rdi;
        code.dec(count);
        code.jnz(loop);
        code.vzeroupper();
        code.ret();
        using var bytes = new MemoryStream();
        code.Assemble(new StreamCodeWriter(bytes), 0);
        return ExecutableMemory.TryCreate(bytes.ToArray());
    }

    public static void Run(ExecutableMemory code, long iterations) => ((delegate* unmanaged<long, void>)code.Address)(iterations);
}
