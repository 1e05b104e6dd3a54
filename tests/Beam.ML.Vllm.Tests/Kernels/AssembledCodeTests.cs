using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Kernels.Assembly;
using Iced.Intel;
using NUnit.Framework;
using static Iced.Intel.AssemblerRegisters;

namespace Beam.ML.Vllm.Tests.Kernels;

/// <summary>Code for the calling convention of Windows, called from wherever the tests run: its argument is in rcx, and it keeps xmm6 to xmm15.</summary>
[TestFixture]
public sealed unsafe class AssembledCodeTests
{
    private static readonly TileShape[] Shapes =
    [
        new(TileFormat.Float32, 14), new(TileFormat.BFloat16, 14, PrefetchLines: 5), new(TileFormat.BFloat16, 7, Panels: 2, PrefetchAhead: 64), new(TileFormat.Float32, 1),
        new(TileFormat.BFloat16Dot, 12), new(TileFormat.Int8Dot, 7), new(TileFormat.Int8Dot, 2, Panels: 3, GroupsPerPass: 4, HasZeroPoints: true, HasFloat32Scales: true), new(TileFormat.Int4Dot, 6, HasZeroPoints: true), new(TileFormat.Int4Dot, 1, Panels: 4),
    ];

    private static readonly string[] Names = [.. Shapes.Select(s => s.ToString())];

    [Test]
    public void Code_for_both_calling_conventions_computes_the_same_and_keeps_what_it_must([ValueSource(nameof(Names))] string name)
    {
        var shape = Shapes.Single(s => s.ToString() == name);
        using var tiles = AssembledTiles.TryCreate();
        if (tiles is null) Assert.Ignore("Nothing can be assembled for this machine.");
        if (shape.Format == TileFormat.BFloat16Dot && !AssembledTiles.HasBFloat16Dot) Assert.Ignore("This processor has no AVX512_BF16.");
        if (shape.HasInt8Rows && !AssembledTiles.HasInt8Dot) Assert.Ignore("This processor has no AVX512_VNNI.");
        using var memory = new NativeBuffer<byte>(1 << 17);
        using var results = new NativeBuffer<float>(2 * TileSet.TileFloats);
        for (var i = 0; i < memory.Length / 4; i++) ((float*)memory.Pointer)[i] = 1 + ((i * 31 % 97) / 256f);
        new Span<float>(results.Pointer, 2 * TileSet.TileFloats).Clear();
        var arguments = new TileArguments
        {
            Panel = memory.Pointer, PanelBytes = 1 << 13, Rows = memory.Pointer + (1 << 16), Passes = 3, Prefetch = memory.Pointer, Tile = results.Pointer,
        };
        Run(TileAssembler.Assemble(shape, windows: false), windows: false, &arguments);
        arguments.Tile += TileSet.TileFloats;
        var kept = Run(TileAssembler.Assemble(shape, windows: true), windows: true, &arguments);

        var sums = shape.Rows * shape.Panels * 32;
        Assert.Multiple(() =>
        {
            Assert.That(new Span<float>(results.Pointer, sums).ToArray(), Is.EqualTo(new Span<float>(results.Pointer + TileSet.TileFloats, sums).ToArray()));
            Assert.That(new Span<float>(results.Pointer, sums).ToArray(), Has.Some.Not.Zero);
            Assert.That(kept, Is.EqualTo(Enumerable.Range(1, 20)));
        });
    }

    /// <summary>Calls code with numbers in the registers from xmm6 on, and says what is in them afterwards.</summary>
    private static long[] Run(byte[] code, bool windows, TileArguments* arguments)
    {
        using var memory = ExecutableMemory.TryCreate(code)!;
        AssemblerRegisterXMM[] kept = [xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15];
        var (saved, before, after) = (new byte[160], Enumerable.Range(1, 20).Select(i => (long)i).ToArray(), new long[20]);
        fixed (byte* keep = saved)
        fixed (long* set = before, get = after)
        {
            var caller = new Assembler(64);
            caller.push(rbx);
            caller.push(rdi);
            caller.sub(rsp, 40);
            Move((nint)keep, store: true);
            Move((nint)set, store: false);
            caller.mov(windows ? rcx : rdi, (long)arguments);
            caller.mov(rax, (long)memory.Address);
            caller.call(rax);
            Move((nint)get, store: true);
            Move((nint)keep, store: false);
            caller.add(rsp, 40);
            caller.pop(rdi);
            caller.pop(rbx);
            caller.ret();
            using var stream = new MemoryStream();
            caller.Assemble(new StreamCodeWriter(stream), 0);
            using var call = ExecutableMemory.TryCreate(stream.ToArray())!;
            ((delegate* unmanaged<void>)call.Address)();

            void Move(nint address, bool store)
            {
                caller.mov(rbx, address);
                for (var i = 0; i < kept.Length; i++)
                {
                    if (store) caller.movups(__[rbx + (16 * i)], kept[i]);
                    else caller.movups(kept[i], __[rbx + (16 * i)]);
                }
            }
        }

        return after;
    }
}
