using System.Runtime.InteropServices;

namespace Beam.ML.Vllm.Kernels.Assembly;

/// <summary>
/// Pages of machine code: written first, executable afterwards, never both at a time. A system may forbid it (hardened processes do);
/// then there is no code, and callers compute without it.
/// </summary>
internal sealed unsafe partial class ExecutableMemory : SafeHandle
{
    private readonly nuint _bytes;

    private ExecutableMemory(void* address, nuint bytes) : base(0, ownsHandle: true)
    {
        _bytes = bytes;
        SetHandle((nint)address);
    }

    public override bool IsInvalid => handle == 0;

    public void* Address => (void*)handle;

    /// <summary>Copies code to pages of its own and makes them executable; null where the system does not allow it.</summary>
    public static ExecutableMemory? TryCreate(ReadOnlySpan<byte> code)
    {
        var bytes = (nuint)(code.Length + Environment.SystemPageSize - 1) / (nuint)Environment.SystemPageSize * (nuint)Environment.SystemPageSize;
        var address = OperatingSystem.IsWindows() ? Windows.Allocate(bytes) : Unix.Allocate(bytes);
        if (address is null) return null;
        var memory = new ExecutableMemory(address, bytes);
        code.CopyTo(new Span<byte>(address, code.Length));
        if (OperatingSystem.IsWindows() ? Windows.Protect(address, bytes) : Unix.Protect(address, bytes)) return memory;
        memory.Dispose();
        return null;
    }

    protected override bool ReleaseHandle() => OperatingSystem.IsWindows() ? Windows.Free((void*)handle) : Unix.Free((void*)handle, _bytes);

    private static partial class Unix
    {
        private const int ProtRead = 1, ProtWrite = 2, ProtExec = 4, MapPrivate = 2;

        private static int MapAnonymous => OperatingSystem.IsLinux() ? 0x20 : 0x1000;

        public static void* Allocate(nuint bytes)
        {
            var address = Map(null, bytes, ProtRead | ProtWrite, MapPrivate | MapAnonymous, -1, 0);
            return (nint)address == -1 ? null : address;
        }

        public static bool Protect(void* address, nuint bytes) => Protect(address, bytes, ProtRead | ProtExec) == 0;

        public static bool Free(void* address, nuint bytes) => Unmap(address, bytes) == 0;

        [LibraryImport("libc", EntryPoint = "mmap")]
        private static partial void* Map(void* address, nuint length, int protection, int flags, int file, nint offset);

        [LibraryImport("libc", EntryPoint = "mprotect")]
        private static partial int Protect(void* address, nuint length, int protection);

        [LibraryImport("libc", EntryPoint = "munmap")]
        private static partial int Unmap(void* address, nuint length);
    }

    private static partial class Windows
    {
        private const uint MemCommit = 0x1000, MemReserve = 0x2000, MemRelease = 0x8000, PageReadWrite = 4, PageExecuteRead = 0x20;

        public static void* Allocate(nuint bytes) => VirtualAlloc(null, bytes, MemCommit | MemReserve, PageReadWrite);

        public static bool Protect(void* address, nuint bytes) =>
            VirtualProtect(address, bytes, PageExecuteRead, out _) && FlushInstructionCache(-1, address, bytes);

        public static bool Free(void* address) => VirtualFree(address, 0, MemRelease);

        [LibraryImport("kernel32")]
        private static partial void* VirtualAlloc(void* address, nuint size, uint type, uint protection);

        [LibraryImport("kernel32")]
        [return: MarshalAs(UnmanagedType.Bool)]
        private static partial bool VirtualProtect(void* address, nuint size, uint protection, out uint before);

        [LibraryImport("kernel32")]
        [return: MarshalAs(UnmanagedType.Bool)]
        private static partial bool VirtualFree(void* address, nuint size, uint type);

        [LibraryImport("kernel32")]
        [return: MarshalAs(UnmanagedType.Bool)]
        private static partial bool FlushInstructionCache(nint process, void* address, nuint size);
    }
}
