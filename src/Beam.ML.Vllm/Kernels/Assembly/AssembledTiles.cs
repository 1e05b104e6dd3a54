using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Beam.ML.Vllm.Kernels.Assembly;

/// <summary>Tiles in machine code that is written for this machine when a shape is first needed.</summary>
internal sealed unsafe class AssembledTiles : TileSet
{
    private readonly Dictionary<TileShape, TileKernel> _kernels = [];
    private readonly List<ExecutableMemory> _code = [];

    // The assembler's own code is compiled while the engine reads its model: by itself that takes longer than all else it does.
    private readonly Task _warmUp = Task.Run(() => TileAssembler.Assemble(new TileShape(TileFormat.BFloat16, 1), OperatingSystem.IsWindows()));

    private AssembledTiles()
    {
    }

    /// <summary>VDPBF16PS: dot products of pairs of bfloat16 numbers.</summary>
    public static bool HasBFloat16Dot => IsSupported && (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0;

    /// <summary>VPDPBUSD: dot products of four 8-bit numbers.</summary>
    public static bool HasInt8Dot => IsSupported && (X86Base.CpuId(7, 0).Ecx & (1 << 11)) != 0;

    /// <summary>
    /// AMD's processors take a dot product as fast as a multiply-add, which does half as much. Intel's, which leave such work to AMX, take
    /// four times as long: multiply-adds are faster there.
    /// </summary>
    public static bool PrefersBFloat16Dot => HasBFloat16Dot && X86Base.CpuId(0, 0).Ecx == BitConverter.ToInt32("cAMD"u8);

    private static bool IsSupported =>
        RuntimeInformation.ProcessArchitecture == Architecture.X64 && InstructionSets.IsSupported(InstructionSet.Avx512);

    /// <summary>Null where the processor is not of this kind, or the system lets no process write code.</summary>
    public static AssembledTiles? TryCreate()
    {
        if (!IsSupported) return null;
        using var probe = ExecutableMemory.TryCreate([0xC3]);
        return probe is null ? null : new AssembledTiles();
    }

    public override bool CanContinue(TileFormat format) => !IsInt8(format);

    public override int RowsFor(int rows) => rows;

    public override int MaxRows(TileFormat format) => IsInt8(format) ? Int8TileAssembler.MaxRows(format) : FloatTileAssembler.MaxRows;

    public override int PanelsFor(TileFormat format, int rows) => IsInt8(format) ? Int8TileAssembler.PanelsFor(rows) : FloatTileAssembler.PanelsFor(rows);

    public override TileKernel Kernel(TileShape shape)
    {
        if (_kernels.TryGetValue(shape, out var kernel)) return kernel;
        _warmUp.Wait();
        var code = ExecutableMemory.TryCreate(TileAssembler.Assemble(shape, OperatingSystem.IsWindows()))
            ?? throw new InvalidOperationException("The system gave no memory for machine code, though it did when the engine started.");
        _code.Add(code);
        return _kernels[shape] = new TileKernel((delegate* unmanaged<TileArguments*, void>)code.Address);
    }

    public override void Dispose()
    {
        _warmUp.Wait();
        foreach (var code in _code) code.Dispose();
        _code.Clear();
        _kernels.Clear();
    }

    private static bool IsInt8(TileFormat format) => format is TileFormat.Int8Dot or TileFormat.Int4Dot;
}
